import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { agentStatus } from '../../src/lab/drill/agents.ts';
import type { Fault } from '../../src/lab/faults/effects.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { createLab, type Lab, listLabs, removeLab } from '../../src/lab/lab.ts';
import { labImpossible } from '../support/lab.ts';
import { until } from '../support/hale.ts';

let base: string;
let lab: Lab;

/** Every fault is applied to cp2 of a lab with real agents, and with sleeping programs in the place of etcd and the API servers. */
describe.skipIf(labImpossible !== undefined)(`faults ${labImpossible ?? ''}`, () => {
  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-faults-test-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'faults', services: ['agent'] });
    for (const host of lab.controlPlane) {
      for (const name of ['etcd', 'apiserver']) await host.spawn(name, ['sleep', '1000000'], { atBoot: true });
    }
  });

  afterAll(async () => {
    for (const { name } of listLabs()) await removeLab(name);
    rmSync(base, { recursive: true });
    delete process.env['HALE_LAB_DIR'];
  });

  test.each<{ fault: Fault; hurts: string; look: (host: LabHost) => unknown; broken: unknown; whole: unknown }>([
    { fault: 'crash', hurts: 'the host', look: (host) => host.isOn(), broken: false, whole: true },
    { fault: 'freeze', hurts: 'etcd', look: (host) => stateOf(host, 'etcd'), broken: 'T', whole: 'S' },
    { fault: 'suspend', hurts: 'etcd', look: (host) => stateOf(host, 'etcd'), broken: 'T', whole: 'S' },
    { fault: 'suspend', hurts: 'the host’s own answers', look: () => reach('client', 'cp2'), broken: false, whole: true },
    { fault: 'agent-kill', hurts: 'the agent', look: (host) => host.running('agent'), broken: false, whole: true },
    { fault: 'agent-kill', hurts: 'nothing else', look: (host) => host.running('apiserver'), broken: true, whole: true },
    { fault: 'freeze-agent', hurts: 'the agent', look: (host) => stateOf(host, 'agent'), broken: 'T', whole: 'S' },
    { fault: 'starve-agent', hurts: 'the agent', look: (host) => stateOf(host, 'agent'), broken: 'T', whole: 'S' },
    { fault: 'apiserver-kill', hurts: 'the API server', look: (host) => host.running('apiserver'), broken: false, whole: true },
    { fault: 'apiserver-hang', hurts: 'the API server', look: (host) => stateOf(host, 'apiserver'), broken: 'T', whole: 'S' },
    { fault: 'apiserver-drain', hurts: 'the API server', look: (host) => host.running('apiserver'), broken: false, whole: true },
    { fault: 'etcd-down', hurts: 'all members', look: () => running('etcd'), broken: [], whole: ['cp1', 'cp2', 'cp3'] },
    { fault: 'isolate', hurts: 'its peers', look: () => reach('cp1', 'cp2'), broken: false, whole: true },
    { fault: 'isolate', hurts: 'no client', look: () => reach('client', 'cp2'), broken: true, whole: true },
    { fault: 'partition', hurts: 'the other side', look: () => reach('cp2', 'cp3'), broken: false, whole: true },
    { fault: 'partition', hurts: 'not the majority', look: () => reach('cp1', 'cp3'), broken: true, whole: true },
    { fault: 'deaf', hurts: 'what it hears', look: () => arrives('cp1', 'cp2'), broken: false, whole: true },
    { fault: 'deaf', hurts: 'not what it says', look: () => arrives('cp2', 'cp1'), broken: true, whole: true },
    { fault: 'mute', hurts: 'what it says', look: () => arrives('cp2', 'cp1'), broken: false, whole: true },
    { fault: 'mute', hurts: 'not what it hears', look: () => arrives('cp1', 'cp2'), broken: true, whole: true },
    { fault: 'link-down', hurts: 'the link', look: () => reach('client', 'cp2'), broken: false, whole: true },
    { fault: 'link-flap', hurts: 'the link', look: () => port('cp2'), broken: 'DOWN', whole: 'UP' },
  ])('$fault hurts $hurts, and its undo leaves nothing', async ({ fault, look, broken, whole }) => {
    const host = lab.host('cp2');
    const before = await traces();
    const injected = await lab.inject(fault, 'cp2', { undoAfterMs: 60_000 });
    await until(
      () => look(host),
      (seen) => same(seen, broken),
      `${fault} in force`,
    );
    await injected.undo();
    await until(
      () => look(host),
      (seen) => same(seen, whole),
      `${fault} undone`,
    );
    expect(await traces()).toEqual(before);
    await injected.undo();
  });

  test('clock-jump moves the wall clock of the agent alone, and its end leaves an agent without the library', async () => {
    const host = lab.host('cp2');
    const preloaded = (): boolean => readFileSync(`/proc/${outerPid(host)}/environ`, 'utf8').includes('faketime');
    const logged = (): number => Date.parse(/.*"time":"([^"]+)"/s.exec(textOf(join(host.folder, 'log/agent.log')))?.[1] ?? '');
    await expect(lab.inject('clock-jump', 'cp2', { undoAfterMs: 60_000 })).rejects.toMatchObject({ code: 'lab_fault_unprepared' });
    const shared = readdirSync('/dev/shm');
    const restore = await lab.prepare('clock-jump');
    // The number is that of a shell at first, which becomes the agent.
    await until(preloaded, (yes) => yes, 'the library loaded');
    await until(
      () => agentStatus(host),
      (status) => status !== undefined,
      'the agent up',
    );
    const injected = await lab.inject('clock-jump', 'cp2', { undoAfterMs: 60_000 });
    host.signal('agent', 'TERM');
    await until(logged, (time) => time > Date.now() + 3_000_000, 'a log line in the future');
    await injected.undo();
    await restore();
    expect(preloaded()).toBe(false);
    expect(readdirSync('/dev/shm')).toEqual(shared);
    expect(lab.faults()).toEqual([]);
  });

  test.each<Fault>(['controller-leader-kill', 'scheduler-leader-kill'])('%s is refused where stand-ins serve', async (fault) => {
    const standIns = await createLab({ name: 'stand-ins', services: [], kubernetes: 'stand-in' });
    const refusal = { code: 'lab_fault_needs_kubernetes', message: expect.stringContaining('a stand-in was asked for') };
    await expect(standIns.prepare(fault)).rejects.toMatchObject(refusal);
    await expect(standIns.inject(fault, 'cp1', { undoAfterMs: 60_000 })).rejects.toMatchObject(refusal);
    expect(standIns.faults()).toEqual([]);
    await standIns.down();
  });

  test('a partition of five hosts strikes two of them, and the drill is told which', async () => {
    const five = await createLab({ name: 'five', hosts: 5, services: [] });
    const { record } = await five.inject('partition', 'cp3', { undoAfterMs: 60_000 });
    expect(record.struck).toHaveLength(2);
    expect(record.struck).toContain('cp3');
    const isolated = await five.inject('isolate', 'cp5', { undoAfterMs: 60_000 });
    expect(isolated.record.struck).toEqual(['cp5']);
    await five.down();
  });

  test('taking the lab down ends what does harm', async () => {
    const doomed = await createLab({ name: 'doomed', services: [] });
    const { record } = await doomed.inject('link-flap', 'cp1', { undoAfterMs: 60_000 });
    expect(record.harm).toBeDefined();
    await doomed.down();
    expect(textOf(`/proc/${record.harm?.pid}/cmdline`)).toBe('');
  });
});

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function outerPid(host: LabHost): string {
  const inner = host.innerPid('agent');
  const init = (JSON.parse(readFileSync(join(host.folder, 'init.json'), 'utf8')) as { pid: number }).pid;
  const namespaced = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && sameNamespace(pid, init));
  return namespaced.find((pid) => new RegExp(`^NSpid:.*\\s${inner}$`, 'm').test(textOf(`/proc/${pid}/status`))) as string;
}

function sameNamespace(pid: string, init: number): boolean {
  return linkOf(`/proc/${pid}/ns/pid`) === linkOf(`/proc/${init}/ns/pid`);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return `gone ${path}`;
  }
}

/** State letter of a daemon; an agent that waits or works counts as the same. */
async function stateOf(host: LabHost, daemon: string): Promise<string> {
  const state = (await host.exec(['sh', '-c', `ps -o state= -p $(cat /run/${daemon}.pid)`])).stdout.trim();
  return state === 'R' ? 'S' : state;
}

function running(daemon: string): string[] {
  return lab.controlPlane.filter((host) => host.running(daemon)).map(({ name }) => name);
}

/** Whether the host's kernel refuses a connection, which it does when packets pass both ways. */
async function reach(from: string, to: string): Promise<boolean> {
  const script = `const s = require('net').connect({ host: process.argv[1], port: 9 });
    s.on('error', (error) => process.exit(error.code === 'ECONNREFUSED' ? 0 : 1)); setTimeout(() => process.exit(1), 500);`;
  return (await lab.host(from).exec([process.execPath, '-e', script, lab.host(to).addresses[0] as string])).code === 0;
}

/** Whether a datagram gets there, the way back left aside. */
async function arrives(from: string, to: string): Promise<boolean> {
  const listen = `const s = require('dgram').createSocket('udp4').bind(9999);
    s.on('message', () => process.exit(0)); setTimeout(() => process.exit(1), 900);`;
  const send = `const s = require('dgram').createSocket('udp4');
    setInterval(() => s.send('x', 9999, process.argv[1]), 20); setTimeout(() => process.exit(0), 800);`;
  const [heard] = await Promise.all([
    lab.host(to).exec([process.execPath, '-e', listen]),
    lab.host(from).exec([process.execPath, '-e', send, lab.host(to).addresses[0] as string]),
  ]);
  return heard.code === 0;
}

async function port(name: string): Promise<string | undefined> {
  const [program, ...args] = lab.lan.command(['ip', '-brief', 'link', 'show', name]) as [string, ...string[]];
  return /\b(UP|DOWN)\b/.exec(execFileSync(program, args, { encoding: 'utf8' }))?.[1];
}

/** What a fault could leave behind: rules at the switch, records, timers and processes of harm. */
async function traces(): Promise<unknown> {
  const [program, ...args] = lab.lan.command(['nft', 'list', 'ruleset']) as [string, ...string[]];
  const lines = readdirSync('/proc').map((pid) => textOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
  const ours = lines.filter((line) => /hale-lab-(flap|starve)/.test(line) || /hale-lab-undo .* faults \S+-cp2/.test(line));
  return { rules: execFileSync(program, args, { encoding: 'utf8' }), faults: lab.faults(), ours };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
