import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { arpProbe } from '../../../src/core/neighbor/arp.ts';
import { solicitedNode } from '../../../src/core/neighbor/ndp.ts';
import { ETHERTYPE_ARP } from '../../../src/core/neighbor/ethernet.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { type Deadline, type DeadlineOpened, openDeadline } from '../../../src/drivers/linux/deadline.ts';
import { installGate } from '../../../src/drivers/linux/gate.ts';
import { passingTable } from '../../../src/drivers/linux/ruleset.ts';
import { linkByName } from '../../../src/drivers/linux/links.ts';
import { openPacketSocket } from '../../../src/drivers/linux/packet.ts';
import type { Effect } from '../../../src/ports/effect.ts';
import { bpfProblem, programExists } from '../../support/bpf.ts';
import { createTestLink, netnsProblem, type TestLink } from '../../support/netns.ts';
import { accepts } from './knock.ts';
import { observe, type Observer } from './observer.ts';

const problem = netnsProblem() ?? bpfProblem();
const SHARED4 = '10.77.0.100';
const SHARED6 = 'fd77::100';
const LONG_MS = 60_000;
const DRIVERS = join(import.meta.dirname, '../../../src/drivers/linux');
const DIRECTIONS = ['ingress', 'egress'] as const;
/** Classic BPF of somebody else: drops IPv6 and lets the rest through to later filters. */
const DROP_IPV6 = '4,40 0 0 12,21 0 1 34525,6 0 0 2,6 0 0 4294967295';

describe.skipIf(problem)(`the deadline on an interface${problem ? `: skipped, ${problem}` : ''}`, () => {
  let net: TestLink;
  let observer: Observer;
  let opened: Deadline[];

  beforeEach(async () => {
    opened = [];
    net = createTestLink();
    observer = observe(net.peer);
    net.host.run('ip', 'address', 'add', `${SHARED4}/32`, 'dev', 'eth0');
    net.host.run('ip', 'address', 'add', `${SHARED6}/128`, 'dev', 'eth0', 'nodad');
    // The kernel hears solicitations once it has joined the group, some time after the address is there.
    await vi.waitFor(() => expect(net.host.run('ip', 'maddress', 'show', 'dev', 'eth0')).toContain(solicitedNode(SHARED6)), 10_000);
  });
  afterEach(() => {
    for (const deadline of opened) deadline.close();
    observer?.close();
    net?.remove();
  });

  const attempt = (): DeadlineOpened =>
    net.host.inside(() => openDeadline({ linkIndex: linkByName('eth0').index, addresses: [SHARED4, SHARED6] }));
  const open = (): Deadline => {
    const result = attempt();
    if (!result.ok) throw new Error(result.reason);
    opened.push(result.deadline);
    return result.deadline;
  };
  const tc = (...parameters: string[]): string => net.host.run('tc', ...parameters);
  const filters = (direction: string): string => tc('filter', 'show', 'dev', 'eth0', direction);
  const programIds = () =>
    DIRECTIONS.flatMap((direction) => [...filters(direction).matchAll(/ id (\d+) /g)].map((match) => Number(match[1])));
  const qdiscs = (): string => tc('qdisc', 'show', 'dev', 'eth0');
  const answered = async () => ({
    arp: await observer.isAnswered({ address: SHARED4, witness: net.host.address4 }),
    ndp: await observer.isAnswered({ address: SHARED6, witness: net.host.address6 }),
    tcp: await accepts(net, [SHARED4, SHARED6]),
  });
  const all = { arp: true, ndp: true, tcp: [SHARED4, SHARED6] };
  const nothing = { arp: false, ndp: false, tcp: [] };

  test('the address is silent until it is opened, and again from the deadline on; the witnesses of both questions always answer', async () => {
    const deadline = open();
    expect(await answered()).toEqual(nothing);
    deadline.set(boottime.now() + LONG_MS);
    expect(await answered()).toEqual(all);
    const until = boottime.now() + 20;
    deadline.set(until);
    await new Promise<void>((resolve) => boottime.at(until, resolve));
    expect(await answered()).toEqual(nothing);
  });

  test('a write that is late opens nothing: a moment that has passed closes at once', async () => {
    const deadline = open();
    deadline.set(boottime.now() + LONG_MS);
    expect(await answered()).toEqual(all);
    deadline.set(boottime.now());
    expect(await answered()).toEqual(nothing);
  });

  test('a stopped agent is silent from the end of its lease on, without any rule of nftables', async () => {
    const holder = net.host.node(`${import.meta.dirname}/holder.ts`, SHARED4, SHARED6);
    let until = 0;
    createInterface(holder.stdout as NodeJS.ReadableStream).on('line', (line) => (until = Number(line)));
    await vi.waitFor(() => expect(until).toBeGreaterThan(0), 20_000);
    // The sets stay, so that renewals go on.
    for (const chain of ['incoming', 'outgoing']) net.host.run('nft', 'flush', 'chain', 'netdev', 'hale', chain);
    expect(await answered()).toEqual(all);
    process.kill(holder.pid as number, 'SIGSTOP');
    // What the child printed before it stopped is still in the pipe.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise<void>((resolve) => boottime.at(until, resolve));
    expect(await answered()).toEqual(nothing);
  });

  test('what a killed process left open is replaced, closed, by the next one, which also removes its qdisc', async () => {
    const script = `
      import { openDeadline } from '${DRIVERS}/deadline.ts';
      import { boottime } from '${DRIVERS}/boottime.ts';
      import { linkByName } from '${DRIVERS}/links.ts';
      const opened = openDeadline({ linkIndex: linkByName('eth0').index, addresses: ['${SHARED4}', '${SHARED6}'] });
      opened.deadline.set(boottime.now() + ${LONG_MS});
      console.log('open');
      setInterval(() => {}, 1000);`;
    const killed = net.host.node('--input-type=module-typescript', '-e', script);
    await once(killed.stdout as NodeJS.ReadableStream, 'data');
    killed.kill('SIGKILL');
    await once(killed, 'close');
    expect(await answered()).toEqual(all);
    const left = programIds();

    const deadline = open();
    expect(await answered()).toEqual(nothing);
    const ours = programIds();
    expect([left, ours].map((ids) => ids.length)).toEqual([2, 2]);
    deadline.set(boottime.now() + LONG_MS);
    expect(await answered()).toEqual(all);
    expect(deadline.close()).toEqual({ ok: true });
    expect(qdiscs()).not.toContain('clsact');
    await vi.waitFor(() => expect([...left, ...ours].filter(programExists)).toEqual([]), 10_000);
  });

  test("other people's filters stay, and go on to work, in a qdisc of theirs", async () => {
    tc('qdisc', 'add', 'dev', 'eth0', 'clsact');
    tc('filter', 'add', 'dev', 'eth0', 'ingress', 'pref', '10', 'protocol', 'all', 'bpf', 'bytecode', DROP_IPV6, 'direct-action');
    tc('filter', 'add', 'dev', 'eth0', 'egress', 'pref', '3', 'protocol', 'all', 'bpf', 'bytecode', '1,6 0 0 4294967295', 'direct-action');
    const before = [qdiscs(), ...DIRECTIONS.map(filters)];
    const theirsWorks = async () => !(await observer.isAnswered({ address: net.host.address6, witness: net.host.address4 }));
    expect(await theirsWorks()).toBe(true);
    const deadline = open();
    expect(await theirsWorks()).toBe(true);
    expect(await observer.isAnswered({ address: SHARED4, witness: net.host.address4 })).toBe(false);
    deadline.set(boottime.now() + LONG_MS);
    expect(await theirsWorks()).toBe(true);
    expect(await observer.isAnswered({ address: SHARED4, witness: net.host.address4 })).toBe(true);
    expect(programIds()).toHaveLength(2);
    expect(deadline.close()).toEqual({ ok: true });
    expect([qdiscs(), ...DIRECTIONS.map(filters)]).toEqual(before);
  });

  test('a qdisc that we made stays while somebody else has a filter in it', () => {
    const deadline = open();
    tc('filter', 'add', 'dev', 'eth0', 'ingress', 'pref', '10', 'protocol', 'all', 'bpf', 'bytecode', DROP_IPV6, 'direct-action');
    expect(deadline.close()).toEqual({ ok: true });
    expect(qdiscs()).toContain('clsact');
    expect(filters('ingress')).toContain('pref 10 bpf');
    expect(filters('ingress')).not.toContain('hale');
  });

  test('an interface with the older ingress qdisc is declined, and stays as it is', () => {
    tc('qdisc', 'add', 'dev', 'eth0', 'ingress');
    const before = qdiscs();
    expect(attempt()).toEqual({ ok: false, reason: 'the place of the clsact qdisc is taken by qdisc ingress' });
    expect(qdiscs()).toBe(before);
  });

  test('an interface that has gone is no failure of the removal', () => {
    const deadline = open();
    net.host.run('ip', 'link', 'del', 'eth0');
    expect(deadline.close()).toEqual({ ok: true });
    // Nobody may write into memory that is not there any more.
    deadline.set(boottime.now() + LONG_MS);
  });

  test('the deadline is the later of the lease and a hand-over, and a withdrawal ends both', async () => {
    const deadline = open();
    const { name: interfaceName, mac } = net.host.inside(() => linkByName('eth0'));
    const installed = net.host.inside(() =>
      installGate({
        table: passingTable({ interfaceName, addresses: [SHARED4, SHARED6] }),
        mac,
        addresses: [SHARED4, SHARED6],
        clock: boottime,
        deadline,
      }),
    );
    if (!installed.ok) throw new Error(installed.reason);
    const { gate } = installed;
    for (const chain of ['incoming', 'outgoing']) net.host.run('nft', 'flush', 'chain', 'netdev', 'hale', chain);
    const later = () => boottime.now() + LONG_MS;
    const passed = async (ms: number, act: () => Effect): Promise<void> => {
      expect(act()).toEqual({ ok: true });
      await new Promise<void>((resolve) => boottime.at(boottime.now() + ms, resolve));
    };
    await passed(0, () => gate.open(later()));
    await passed(0, () => gate.yieldTo(net.peer.mac, LONG_MS));
    expect(await answered()).toEqual(all);
    await passed(0, () => gate.close());
    expect(await answered()).toEqual(nothing);
    await passed(0, () => gate.open(later()));
    await passed(50, () => gate.yieldTo(net.peer.mac, 50));
    expect(await answered()).toEqual(nothing);
    await passed(0, () => gate.inherit(net.peer.mac, LONG_MS));
    await passed(200, () => gate.open(boottime.now() + 200));
    expect(await answered()).toEqual(all);
    await passed(0, () => gate.close());
    await passed(200, () => gate.open(boottime.now() + 200));
    expect(await answered()).toEqual(nothing);
    expect(gate.remove()).toEqual({ ok: true });
    expect(qdiscs()).not.toContain('clsact');
  });

  test.skipIf(!existsSync('/proc/self/timens_offsets'))(
    'a process whose boot time is not the one of the machine is declined (time_namespaces(7))',
    () => {
      const script = `
      import { openDeadline } from '${DRIVERS}/deadline.ts';
      import { linkByName } from '${DRIVERS}/links.ts';
      console.log(JSON.stringify(openDeadline({ linkIndex: linkByName('eth0').index, addresses: ['${SHARED4}'] })));`;
      const inside = ['--time', '--boottime', '100000', '--fork', process.execPath, '--input-type=module-typescript', '-e', script];
      expect(JSON.parse(net.host.run('unshare', ...inside))).toEqual({ ok: false, reason: expect.stringContaining('time namespace') });
      expect(qdiscs()).not.toContain('clsact');
    },
  );

  test('a frame that carries only a priority in its VLAN tag is one of this interface (IEEE 802.1Q, VLAN 0)', async () => {
    const deadline = open();
    // Otherwise the answer would be stopped there.
    tc('filter', 'del', 'dev', 'eth0', 'egress', 'pref', '3');
    const wire = net.peer.inside(() => openPacketSocket({ link: linkByName('eth0'), etherType: ETHERTYPE_ARP, onFrame: () => {} }));
    const tagged = (address: string): Uint8Array => {
      const frame = arpProbe({ mac: net.peer.mac, address });
      return Buffer.concat([frame.subarray(0, 12), Buffer.from([0x81, 0x00, 0xe0, 0x00]), frame.subarray(12)]);
    };
    const answers: string[] = [];
    observer.neighbors.onClaim(({ address }) => answers.push(address));
    const ask = async () => {
      answers.length = 0;
      await vi.waitFor(() => {
        for (const address of [SHARED4, net.host.address4]) wire.send(tagged(address));
        expect(answers).toContain(net.host.address4);
      }, 10_000);
      return answers.includes(SHARED4);
    };
    expect(await ask()).toBe(false);
    deadline.set(boottime.now() + LONG_MS);
    expect(await ask()).toBe(true);
    wire.close();
  });
});
