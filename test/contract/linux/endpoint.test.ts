import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { familyOf } from '../../../src/base/address.ts';
import { arpAnnouncement } from '../../../src/core/neighbor/arp.ts';
import { ETHERTYPE_ARP } from '../../../src/core/neighbor/ethernet.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { type LinuxEndpoint, openEndpoint } from '../../../src/drivers/linux/endpoint.ts';
import { linkByName, listAddresses } from '../../../src/drivers/linux/links.ts';
import { listenFreebind } from '../../../src/drivers/linux/listen.ts';
import { openPacketSocket } from '../../../src/drivers/linux/packet.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { createTestLink, netnsProblem, type TestLink } from '../../support/netns.ts';
import { bpfProblem } from '../../support/bpf.ts';
import { accepts, printed } from './knock.ts';
import { observe, type Observer } from './observer.ts';

const problem = netnsProblem();
const noBpf = bpfProblem();
const SHARED4 = '10.77.0.100';
const SHARED6 = 'fd77::100';
const LONG_MS = 60_000;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

describe.skipIf(problem)(`the shared address${problem ? `: skipped, ${problem}` : ''}`, () => {
  let net: TestLink;
  let observer: Observer;
  let endpoints: LinuxEndpoint[];

  beforeEach(() => {
    endpoints = [];
    net = createTestLink();
    observer = observe(net.peer);
  });
  afterEach(() => {
    for (const endpoint of endpoints) endpoint.close();
    observer?.close();
    net?.remove();
  });

  const open = (clock: Clock = boottime): LinuxEndpoint =>
    net.host.inside(() => {
      const neighbors = { announce: () => ({ ok: true as const }) };
      const endpoint = openEndpoint({
        link: linkByName('eth0'),
        addresses: [SHARED4, SHARED6],
        neighbors,
        clock,
        log: quiet,
        graceMs: 1000,
      });
      endpoints.push(endpoint);
      return endpoint;
    });
  const hold = (endpoint: LinuxEndpoint, until: number) => net.host.inside(() => endpoint.hold(until));
  const answered = async () => ({
    arp: await observer.isAnswered({ address: SHARED4, witness: net.host.address4 }),
    ndp: await observer.isAnswered({ address: SHARED6, witness: net.host.address6 }),
  });
  const assigned = () => net.host.inside(() => listAddresses()).map((entry) => entry.address);
  const yes = { arp: true, ndp: true };
  const no = { arp: false, ndp: false };

  test('ARP and neighbour solicitations are answered only between hold and withdraw', async () => {
    const endpoint = open();
    const weakness = noBpf === undefined ? undefined : expect.stringContaining('no eBPF deadline: create a map: EPERM');
    expect(endpoint).toMatchObject({ enforced: true, weakness });
    expect(await answered()).toEqual(no);
    expect(hold(endpoint, boottime.now() + LONG_MS)).toEqual({ ok: true });
    expect(await answered()).toEqual(yes);
    expect(endpoint.withdraw()).toEqual({ ok: true });
    expect(endpoint.withdraw()).toEqual({ ok: true });
    expect(await answered()).toEqual(no);
    expect(assigned()).not.toEqual(expect.arrayContaining([SHARED4]));
  });

  test('a stopped holder stops answering when its lease ends, although the address is still on its interface', async () => {
    const holder = net.host.node(`${import.meta.dirname}/holder.ts`, SHARED4, SHARED6);
    let until = 0;
    createInterface(holder.stdout as NodeJS.ReadableStream).on('line', (line) => (until = Number(line)));
    await vi.waitFor(() => expect(until).toBeGreaterThan(0), 20_000);
    // Long enough for several renewals, so that the lease that runs out is a renewed one.
    const first = until;
    await vi.waitFor(() => expect(until).toBeGreaterThan(first + 500), 20_000);
    expect(await answered()).toEqual(yes);
    expect(await accepts(net, [SHARED4, SHARED6])).toEqual([SHARED4, SHARED6]);

    process.kill(holder.pid as number, 'SIGSTOP');
    // What the child printed before it stopped is still in the pipe.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await new Promise<void>((resolve) => boottime.at(until, resolve));
    expect(await answered()).toEqual(no);
    expect(assigned()).toEqual(expect.arrayContaining([SHARED4, SHARED6]));
    expect(await accepts(net, [SHARED4, SHARED6])).toEqual([]);

    const last = until;
    process.kill(holder.pid as number, 'SIGCONT');
    await vi.waitFor(() => expect(until).toBeGreaterThan(last), 20_000);
    expect(await answered()).toEqual(yes);
  });

  test('a killed holder leaves an address that nobody is answered for, that the kernel removes, and that a new start removes at once', async () => {
    const holder = net.host.node(`${import.meta.dirname}/holder.ts`, SHARED4, SHARED6);
    let until = 0;
    createInterface(holder.stdout as NodeJS.ReadableStream).on('line', (line) => (until = Number(line)));
    await vi.waitFor(() => expect(until).toBeGreaterThan(0), 20_000);
    holder.kill('SIGKILL');
    await once(holder, 'close');
    await new Promise<void>((resolve) => boottime.at(until, resolve));
    expect(assigned()).toEqual(expect.arrayContaining([SHARED4, SHARED6]));
    expect(await answered()).toEqual(no);
    open();
    expect(assigned()).not.toEqual(expect.arrayContaining([SHARED4]));
    expect(assigned()).not.toEqual(expect.arrayContaining([SHARED6]));
  });

  test('a process that was frozen between reading the clock and writing does not open the gate past the lease', async () => {
    let staleReadings = 0;
    const endpoint = open({ ...boottime, now: () => boottime.now() - (staleReadings-- > 0 ? 500 : 0) });
    hold(endpoint, boottime.now() + LONG_MS);
    expect(await answered()).toEqual(yes);
    // hold reads the clock once and the gate twice before the write; all three readings are 500 ms old, as after SIGSTOP and SIGCONT.
    staleReadings = 3;
    expect(hold(endpoint, boottime.now() - 500 + 300)).toEqual({ ok: false, reason: 'the lease ends within 8 ms' });
    expect(await answered()).toEqual(no);
    expect(assigned()).toEqual(expect.arrayContaining([SHARED4, SHARED6]));
  });

  test('a lease that is about to end is declined', () => {
    const endpoint = open();
    expect(hold(endpoint, boottime.now() + 5)).toEqual({ ok: false, reason: 'the lease ends within 8 ms' });
    expect(hold(endpoint, boottime.now() - 1)).toEqual({ ok: false, reason: 'the lease has ended' });
    expect(assigned()).not.toEqual(expect.arrayContaining([SHARED4]));
  });

  test('nothing leaves with the address as its source once the lease has ended', async () => {
    const endpoint = open();
    hold(endpoint, boottime.now() + LONG_MS);
    const heard = observer.nextClaim(SHARED4);
    const host = net.host.inside(() => observe(net.host));
    expect(host.neighbors.announce(SHARED4)).toEqual({ ok: true });
    expect((await heard).mac).toBe(net.host.mac);
    endpoint.withdraw();
    expect(host.neighbors.announce(SHARED4)).toEqual({ ok: false, reason: 'send on eth0: ENOBUFS' });
    expect(host.neighbors.announce(SHARED6)).toEqual({ ok: false, reason: 'send on eth0: ENOBUFS' });
    host.close();
  });

  const locks = [
    { alone: 'the outgoing rules', without: ['incoming'], deadline: false },
    { alone: 'the incoming rules', without: ['outgoing'], deadline: false },
    { alone: 'the eBPF deadline', without: ['incoming', 'outgoing'], deadline: true },
  ].filter(({ deadline }) => !deadline || noBpf === undefined);
  test.each(locks)('$alone alone: an address that is on the interface is silent', async ({ without, deadline }) => {
    open();
    net.host.run('ip', 'address', 'add', `${SHARED4}/32`, 'dev', 'eth0');
    net.host.run('ip', 'address', 'add', `${SHARED6}/128`, 'dev', 'eth0', 'nodad');
    for (const chain of without) net.host.run('nft', 'flush', 'chain', 'netdev', 'hale', chain);
    if (!deadline && noBpf === undefined) net.host.run('tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact');
    expect(await answered()).toEqual(no);
    expect(await accepts(net, [SHARED4, SHARED6])).toEqual([]);
  });

  test('a foreign announcement is heard while the gate is closed, and not answered (RFC 5227 section 2.4)', async () => {
    open();
    net.host.run('ip', 'address', 'add', `${SHARED4}/32`, 'dev', 'eth0');
    const host = observe(net.host);
    const heard = host.nextClaim(SHARED4);
    const answers: string[] = [];
    // IPv4 only: the host may tell its link-local address meanwhile, when the check for duplicates is over.
    observer.neighbors.onClaim(({ address }) => familyOf(address) === 'IPv4' && answers.push(address));
    // The request form alone: it asks for the address, as what the gate drops does.
    const wire = net.peer.inside(() => openPacketSocket({ link: linkByName('eth0'), etherType: ETHERTYPE_ARP, onFrame: () => {} }));
    wire.send(arpAnnouncement({ mac: net.peer.mac, address: SHARED4 }));
    wire.close();
    observer.neighbors.probe(net.host.address4);
    expect(await heard).toEqual({ address: SHARED4, mac: net.peer.mac, kind: 'announcement' });
    await vi.waitFor(() => expect(answers).toEqual([net.host.address4]), 10_000);
    host.close();
  });

  test("other people's tables stay as they are, and a flushed ruleset is made again by the next renewal", async () => {
    const other = 'table netdev other { set lease4 { type ipv4_addr; elements = { 10.77.0.100 }; }; }';
    net.host.run('nft', other);
    const before = net.host.run('nft', 'list', 'table', 'netdev', 'other');
    const endpoint = open();
    hold(endpoint, boottime.now() + LONG_MS);
    expect(net.host.run('nft', 'list', 'tables')).toContain('table netdev hale');
    expect(net.host.run('nft', 'list', 'table', 'netdev', 'other')).toBe(before);

    net.host.run('nft', 'flush', 'ruleset');
    expect(hold(endpoint, boottime.now() + LONG_MS)).toEqual({ ok: true });
    expect(await answered()).toEqual(yes);
    net.host.run('nft', other);
    endpoints = [];
    expect(endpoint.close()).toEqual({ ok: true });
    expect(net.host.run('nft', 'list', 'tables').trim()).toBe('table netdev other');
    expect(net.host.run('nft', 'list', 'table', 'netdev', 'other')).toBe(before);
  });

  test('without the nft program the address works, and the endpoint says what is not enforced', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = '/nonexistent';
    let endpoint: LinuxEndpoint;
    try {
      endpoint = open();
    } finally {
      process.env['PATH'] = path;
    }
    expect(endpoint).toMatchObject({ enforced: false, weakness: expect.stringContaining('nft cannot be started') });
    expect(hold(endpoint, boottime.now() + 300)).toEqual({ ok: true });
    expect(await answered()).toEqual(yes);
    // Here only the lifetime of the address ends it.
    await vi.waitFor(() => expect(assigned()).not.toEqual(expect.arrayContaining([SHARED4])), 20_000);
  });

  test.each([SHARED4, SHARED6])('a listener bound to %s before it is there accepts once it is', async (address) => {
    const endpoint = open();
    const fd = net.host.inside(() => listenFreebind({ address, port: 6443 }));
    const server = createServer((socket) => socket.end('hello'));
    server.listen({ fd });
    await once(server, 'listening');
    expect(() => net.host.inside(() => listenFreebind({ address, port: 6443 }))).toThrow(
      expect.objectContaining({ code: 'listen_refused', message: expect.stringMatching(/bind failed with EADDRINUSE$/) }),
    );
    hold(endpoint, boottime.now() + LONG_MS);
    const client = `require('node:net').connect(6443, '${address}').on('data', (text) => process.stdout.write(text))`;
    expect(await printed(net.peer.node('-e', client))).toBe('hello');
    server.close();
  });
});
