import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { assemble, exit, load, set } from '../../../src/drivers/linux/bpf/assembler.ts';
import { loadProgram } from '../../../src/drivers/linux/bpf/calls.ts';
import { attachedPrograms, attachToCgroup, CGROUP_HOOKS, detachFromCgroup } from '../../../src/drivers/linux/bpf/cgroup.ts';
import { openProgram } from '../../../src/drivers/linux/bpf/objects.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { openCgroup } from '../../../src/drivers/linux/socket/cgroup.ts';
import { explainSteering } from '../../../src/drivers/linux/socket/explain.ts';
import { openSocketSteering, removeSteering } from '../../../src/drivers/linux/socket/steering.ts';
import { attachAlone, programExists } from '../../support/bpf.ts';
import { BACKENDS, HOOKS, PORT, SHARED4, SHARED6, SteeredMachine, steeringProblem } from '../../support/steered-machine.ts';

const problem = steeringProblem();

describe.skipIf(problem)(`programs at sockets, and the agents that come and go${problem ? `: skipped, ${problem}` : ''}`, () => {
  let machine: SteeredMachine;

  beforeEach(async () => {
    machine = await SteeredMachine.start();
  });
  afterEach(() => machine?.remove());

  test('the programs outlive the agent; the next one takes them over, with what they remember, while connections are made all the time', async () => {
    machine.loseShared();
    let steering = machine.open();
    machine.apply(steering, 'draining', 'ready', 'draining');
    const [onB4, onB6] = [machine.connect(SHARED4), machine.connect(SHARED6)];
    const loop = machine.net.host.node(`${import.meta.dirname}/connect-loop.ts`, SHARED4, String(PORT));
    const lines: string[] = [];
    createInterface(loop.stdout as NodeJS.ReadableStream).on('line', (line) => lines.push(line));
    const moreLines = () => {
      const seen = lines.length;
      return vi.waitFor(() => expect(lines.length).toBeGreaterThan(seen), 20_000);
    };
    await moreLines();
    for (let restart = 0; restart < 10; restart++) {
      machine.letGo(steering);
      await moreLines();
      // Another cluster.yaml with every second restart.
      steering = machine.open(restart % 2 === 0 ? { backends: BACKENDS.toReversed() } : {});
      machine.apply(steering, 'unknown', 'ready', 'ready');
      await moreLines();
      machine.apply(steering, 'ready', 'ready', 'draining');
      expect(machine.attached()).toHaveLength(HOOKS.length);
    }
    // So often that a moment without programs, short as two system calls, would be met.
    for (let upgrade = 0; upgrade < 300; upgrade++) {
      machine.letGo(steering);
      steering = machine.open();
      machine.apply(steering, 'ready', 'ready', 'draining');
    }
    await moreLines();
    loop.kill('SIGKILL');
    await once(loop, 'close');
    expect(lines.filter((line) => !line.startsWith('made'))).toEqual([]);
    expect([onB4, onB6].map(({ socket }) => socket.remoteAddress)).toEqual([SHARED4, SHARED6]);
    machine.apply(steering, 'ready', 'dead', 'ready');
    expect(await Promise.all([onB4.fate, onB6.fate])).toEqual(['ECONNABORTED', 'ECONNABORTED']);
  });

  test('removed programs are put back, and that is said', async () => {
    const steering = machine.open();
    machine.apply(steering, 'dead', 'ready', 'dead');
    expect(machine.net.host.inside(() => steering.reconcile())).toEqual([]);
    const opened = openCgroup(machine.cgroup.path);
    const found = opened.ok && attachedPrograms(opened.fd, 'connect4');
    if (!opened.ok || !found || !found.ok) throw new Error('no programs');
    const programFd = openProgram(found.ids[0] as number) as number;
    expect(detachFromCgroup({ cgroupFd: opened.fd, hook: 'connect4', programFd })).toEqual({ ok: true });
    libc.close(programFd);
    opened.close();
    expect(await machine.arrivesAt(SHARED4)).toBe('shared');
    expect(machine.net.host.inside(() => explainSteering(machine.options()))?.problems).toEqual([
      { what: "hale's program is not at cgroup/connect4", fix: 'systemctl restart hale-agent' },
    ]);
    expect(machine.net.host.inside(() => steering.reconcile())).toEqual(['cgroup/connect4: the program was gone, and is attached again']);
    expect(await machine.arrivesAt(SHARED4)).toBe('b');
  });

  test('uninstalling leaves nothing, with an agent or without, and leaves what others attached', async () => {
    const opened = openCgroup(machine.cgroup.path);
    const harmless = loadProgram({
      name: 'foreign',
      instructions: assemble([set(0, 1), exit]),
      ...CGROUP_HOOKS.connect4,
    });
    if (!opened.ok || !harmless.ok) throw new Error('not loaded');
    expect(attachToCgroup({ cgroupFd: opened.fd, hook: 'connect4', programFd: harmless.fd })).toEqual({ ok: true });
    libc.close(harmless.fd);
    opened.close();
    const theirs = machine.attached();

    const steering = machine.open();
    machine.apply(steering, 'dead', 'ready', 'dead');
    const ours = machine.attached().filter((id) => !theirs.includes(id));
    expect(ours).toHaveLength(HOOKS.length);
    expect(machine.letGo(steering, 'uninstall')).toEqual({ ok: true });
    expect(machine.attached()).toEqual(theirs);
    await vi.waitFor(() => expect(ours.filter(programExists)).toEqual([]), 10_000);
    expect(await machine.arrivesAt(SHARED4)).toBe('shared');
    expect(machine.net.host.inside(() => explainSteering(machine.options()))).toBeUndefined();

    const next = machine.open();
    machine.apply(next, 'dead', 'ready', 'dead');
    machine.letGo(next);
    expect(machine.net.peer.inside(() => removeSteering({ cgroup: machine.cgroup.path }))).toEqual({ ok: true, removed: [] });
    expect(machine.net.host.inside(() => removeSteering({ cgroup: machine.cgroup.path }))).toEqual({
      ok: true,
      removed: HOOKS.map((hook) => `cgroup/${hook}`),
    });
    expect(machine.attached()).toEqual(theirs);
  });

  test('what is in the kernel is told without an agent', async () => {
    const steering = machine.open();
    machine.apply(steering, 'dead', 'ready', 'ready');
    const names = await Promise.all(Array.from({ length: 6 }, (_, i) => machine.arrivesAt(i % 2 === 0 ? SHARED4 : SHARED6)));
    machine.letGo(steering);
    const told = machine.net.host.inside(() => explainSteering(machine.options()));
    expect(told?.says[0]).toBe(
      `a TCP connect() to ${SHARED4}:${PORT} or [${SHARED6}]:${PORT} by a process in this network namespace goes straight to one of b, c, by chance`,
    );
    expect(told?.counters.map(({ connections }) => connections)).toEqual(
      ['a', 'b', 'c'].map((name) => names.filter((one) => one === name).length),
    );
    expect(told?.problems).toEqual([]);
  });

  test('a hook that somebody has for himself is named', () => {
    attachAlone(machine.cgroup.path, 'connect6');
    expect(machine.net.host.inside(() => openSocketSteering(machine.options()))).toEqual({
      ok: false,
      reason: 'cgroup/connect6 is taken by program alone, which shares it with none (attached without BPF_F_ALLOW_MULTI)',
    });
  });

  test('what the verifier refuses is told in its words', () => {
    const instructions = assemble([load(0, 4, { base: 1, offset: 4096 }), exit]);
    expect(loadProgram({ name: 'bad', instructions, ...CGROUP_HOOKS.connect4 })).toEqual({
      ok: false,
      reason: expect.stringMatching(/^load program bad: E\w+: .*invalid bpf_context access off=4096 size=4/),
    });
  });
});
