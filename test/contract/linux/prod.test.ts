import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseIp } from '../../../src/base/address.ts';
import type { Flow } from '../../../src/core/balancer/flow.ts';
import { FLAG_SYN, tcpPacket } from '../../../src/core/balancer/segment.ts';
import { decodeBalancerMessage } from '../../../src/core/balancer/wire.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { forgetEnded } from '../../../src/drivers/linux/ended.ts';
import { localFlows } from '../../../src/drivers/linux/local-flows.ts';
import { openClientProd } from '../../../src/drivers/linux/prod.ts';
import { openSockDiag, type TcpSocket } from '../../../src/drivers/linux/sock-diag.ts';
import { socketAddress } from '../../../src/drivers/linux/socket-address.ts';
import { FlowEngine } from '../../../src/engine/flows.ts';
import type { ClientProd } from '../../../src/ports/flows.ts';
import { createTestLan, netnsProblem, type TestHost } from '../../support/netns.ts';
import { connectFrom, listenIn } from '../../support/tcp.ts';

const problem = netnsProblem();
const PORT = 6443;
const patient = { timeout: 30_000 };
const silent = { debug() {}, info() {}, warn() {}, error() {} };

describe.skipIf(problem !== undefined).each([
  { family: 'IPv4', address: '10.77.0.100', prefix: '/32', nodad: [], ip: 'ip' },
  { family: 'IPv6', address: 'fd77::100', prefix: '/128', nodad: ['nodad'], ip: 'ip6' },
])(`clients of a dead host, $family${problem === undefined ? '' : ` (skipped: ${problem})`}`, ({ address, prefix, nodad, ip }) => {
  let [client, one, two] = [] as unknown as [TestHost, TestHost, TestHost];
  let cleanUp: (() => void)[] = [];
  let engines: FlowEngine[] = [];
  let prod: ClientProd;
  let accepted: Socket[] = [];

  beforeEach(() => {
    const { hosts, remove } = createTestLan(['client', 'one', 'two']);
    [client, one, two] = hosts as [TestHost, TestHost, TestHost];
    cleanUp = [remove];
    accepted = [];
    one.run('ip', 'address', 'add', `${address}${prefix}`, 'dev', 'eth0', ...nodad);
    for (const host of [one, two]) serve(host);
    engines = joinEngines();
    prod = two.inside(() => openClientProd({ frontends: [{ address, port: PORT }], clock: boottime }));
    cleanUp.push(() => prod.close());
  });

  afterEach(() => {
    for (const step of cleanUp.toReversed()) step();
  });

  function keep(socket: Socket): Socket {
    socket.on('error', () => {});
    cleanUp.push(() => socket.destroy());
    return socket;
  }

  /** Answers everything with the host's name. */
  function serve(host: TestHost): void {
    const server: Server = listenIn(
      host,
      (socket) => {
        accepted.push(socket);
        keep(socket).on('data', () => socket.write(host.namespace));
      },
      PORT,
    );
    cleanUp.push(() => server.close());
  }

  /** Agents of both hosts, which hear each other. */
  function joinEngines(): FlowEngine[] {
    const made: FlowEngine[] = [];
    for (const [self, host] of [one, two].entries()) {
      const diag = host.inside(openSockDiag);
      const source = localFlows({ diag, frontends: [{ address, port: PORT }] });
      const engine = new FlowEngine({
        self,
        members: 2,
        clock: boottime,
        // The dump's socket is made when it is read.
        source: { list: () => readInside(host, source) },
        send(to, payload) {
          const decoded = decodeBalancerMessage(payload);
          if (decoded.ok) made[to]?.receive(self, decoded.message);
        },
        onChange() {},
        log: silent,
      });
      made.push(engine);
      cleanUp.push(
        () => diag.close(),
        () => engine.stop(),
      );
    }
    return made;
  }

  const connect = () => keep(connectFrom(client, { address, port: PORT }));
  const flowOf = (socket: Socket): Flow => ({
    address: address.includes(':') ? client.address6 : client.address4,
    port: socket.localPort as number,
  });
  /** What the second host knows of the first. */
  const known = () =>
    engines[1]
      ?.flowsOf(0)
      .map(({ port }) => port)
      .toSorted();

  /** Loses frames at their arrival. */
  function lose(host: TestHost, which: string): void {
    host.run(
      'nft',
      `add table netdev t; add chain netdev t c { type filter hook ingress device eth0 priority 0; }; add rule netdev t c ${which} drop`,
    );
  }

  function moveAddress(): void {
    one.run('ip', 'link', 'set', 'eth0', 'down');
    two.run('ip', 'address', 'add', `${address}${prefix}`, 'dev', 'eth0', ...nodad);
    client.run('ip', 'neigh', 'replace', address, 'lladdr', two.mac, 'dev', 'eth0', 'nud', 'reachable');
  }

  /** Segments out of a window that a connection of the client did not answer, having just answered another one. */
  function staleSegmentsHeard(): number {
    return Number(/TcpExtTCPACKSkippedSeq\s+(\d+)/.exec(client.run('nstat', '-asz', 'TcpExtTCPACKSkippedSeq'))?.[1]);
  }

  /** A SYN whose answer finds nobody. */
  function knockFromNowhere(): void {
    const source = address.includes(':') ? 'fd77::99' : '10.77.0.99';
    const packet = tcpPacket({ source, sourcePort: 999, target: address, targetPort: PORT }, { sequence: 1, flags: FLAG_SYN });
    const to = socketAddress(parseIp(address) as Uint8Array, 0);
    const fd = client.inside(() => libc.socket(address.includes(':') ? libc.AF_INET6 : libc.AF_INET, libc.SOCK_RAW, 255));
    libc.sendto(fd, packet, packet.length, 0, to, to.length);
    libc.close(fd);
  }

  async function ask(socket: Socket): Promise<string> {
    socket.write('who?');
    return String((await once(socket, 'data'))[0]);
  }

  test('the survivor knows them, prods them, and they are reset although they say nothing; one that is not prodded stays', async () => {
    const [idle, untouched] = [connect(), connect()];
    expect(await ask(idle)).toBe(one.namespace);
    await expect.poll(known, patient).toEqual([idle.localPort, untouched.localPort].toSorted());
    moveAddress();
    const reset = once(idle, 'error');
    const flows = (engines[1] as FlowEngine).flowsOf(0).filter(({ port }) => port === idle.localPort);
    expect(prod.prod(flows)).toEqual({ ok: true });
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
    expect(statesAt(client)).toMatchObject({ [untouched.localPort as number]: 'ESTABLISHED' });
    // The same for the other: nothing but the prod was missing.
    const second = once(untouched, 'error');
    prod.prod([flowOf(untouched)]);
    expect((await second)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  test('a client whose data nobody acknowledges is reset between two of its retransmissions', async () => {
    const waiting = connect();
    await expect.poll(known, patient).toEqual([waiting.localPort]);
    one.run('ip', 'link', 'set', 'eth0', 'down');
    waiting.write('x'.repeat(500));
    await expect.poll(() => client.run('ss', '-tin'), patient).toMatch(/backoff:[2-9]/);
    // So that no retransmission draws the RST.
    lose(two, 'meta length > 200');
    moveAddress();
    const reset = once(waiting, 'error');
    prod.prod((engines[1] as FlowEngine).flowsOf(0));
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  test('a segment that gets lost is sent again', async () => {
    const idle = connect();
    await expect.poll(known, patient).toEqual([idle.localPort]);
    lose(client, `${ip} saddr ${address} tcp flags == ack numgen inc mod 3 0`);
    moveAddress();
    const reset = once(idle, 'error');
    prod.prod([flowOf(idle)]);
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  test('an answer that gets lost is drawn again', async () => {
    const idle = connect();
    await expect.poll(known, patient).toEqual([idle.localPort]);
    lose(two, `${ip} daddr ${address} tcp flags == ack numgen inc mod 9 0`);
    moveAddress();
    const reset = once(idle, 'error');
    prod.prod([flowOf(idle)]);
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  test('thousands are prodded four times each', async () => {
    moveAddress();
    client.run(
      'nft',
      `add table netdev t; add counter netdev t heard; add chain netdev t c { type filter hook ingress device eth0 priority 0; }; add rule netdev t c ${ip} saddr ${address} tcp flags == ack counter name heard drop`,
    );
    const target = flowOf(connect()).address;
    prod.prod(Array.from({ length: 1500 }, (_, i) => ({ address: target, port: 20_000 + i })));
    await expect.poll(() => /packets (\d+)/.exec(client.run('nft', 'list', 'counter', 'netdev', 't', 'heard'))?.[1], patient).toBe('6000');
  });

  test('a client whose port was last used for a connection to the survivor, which still has it in TIME-WAIT, is reset too', async () => {
    const ownPort = 45_678;
    const place = (host: TestHost, action: string) =>
      host.run('ip', 'address', action, `${address}${prefix}`, 'dev', 'eth0', ...(action === 'add' ? nodad : []));
    const neighbour = (mac: string) => client.run('ip', 'neigh', 'replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'reachable');
    place(one, 'del');
    place(two, 'add');
    neighbour(two.mac);
    const before = keep(connectFrom(client, { address, port: PORT, ownPort }));
    await expect.poll(() => accepted.length, patient).toBe(1);
    // Who closes first has TIME-WAIT.
    accepted[0]?.end();
    before.end();
    await expect.poll(() => allStatesAt(two), patient).toContain('TIME_WAIT');
    await expect.poll(() => statesAt(client), patient).toEqual({});
    place(two, 'del');
    place(one, 'add');
    neighbour(one.mac);
    const idle = keep(connectFrom(client, { address, port: PORT, ownPort }));
    await expect.poll(known, patient).toEqual([ownPort]);
    moveAddress();
    const reset = once(idle, 'error');
    const diag = two.inside(openSockDiag);
    cleanUp.push(() => diag.close());
    const frontends = [{ address, port: PORT }];
    const unrelated = [{ ...flowOf(idle), port: ownPort + 1 }];
    expect(await two.inside(() => forgetEnded({ diag, frontends, flows: unrelated }))).toEqual({ ok: true });
    expect(allStatesAt(two)).toContain('TIME_WAIT');
    expect(await two.inside(() => forgetEnded({ diag, frontends, flows: [flowOf(idle)] }))).toEqual({ ok: true });
    prod.prod([flowOf(idle)]);
    expect((await reset)[0]).toMatchObject({ code: 'ECONNRESET' });
  });

  test('a connection that is alive is not harmed, and goes on in both directions', async () => {
    moveAddress();
    const alive = connect();
    expect(await ask(alive)).toBe(two.namespace);
    const heardBefore = staleSegmentsHeard();
    prod.prod([flowOf(alive)]);
    await expect.poll(staleSegmentsHeard, patient).toBeGreaterThan(heardBefore);
    expect(await ask(alive)).toBe(two.namespace);
    expect(statesAt(client)).toMatchObject({ [alive.localPort as number]: 'ESTABLISHED' });
  });

  test('flows are the connections to the address, also half-closed ones; none to another address of the host, none that is half open', async () => {
    const [open, halfClosed] = [connect(), connect()];
    keep(connectFrom(client, { address: address.includes(':') ? one.address6 : one.address4, port: PORT }));
    keep(connectFrom(one, { address, port: PORT }));
    halfClosed.end();
    knockFromNowhere();
    await expect.poll(() => Object.values(statesAt(one)).includes('CLOSE_WAIT'), patient).toBe(true);
    await expect.poll(() => allStatesAt(one), patient).toContain('SYN_RECV');
    await expect.poll(known, patient).toEqual([open.localPort, halfClosed.localPort].toSorted());
    open.destroy();
    halfClosed.destroy();
  });
});

function* readInside(host: TestHost, source: ReturnType<typeof localFlows>): ReturnType<ReturnType<typeof localFlows>['list']> {
  const reading = source.list();
  try {
    for (;;) {
      const step = host.inside(() => reading.next());
      if (step.done) return step.value;
      yield step.value;
    }
  } finally {
    reading.return({ ok: false, reason: 'left' });
  }
}

/** State of each connection by its peer's or, at a client, its own port. */
function statesAt(host: TestHost): Record<number, string> {
  const sockets = socketsAt(host).filter(({ state }) => state !== 'LISTEN' && state !== 'SYN_RECV' && state !== 'TIME_WAIT');
  return Object.fromEntries(sockets.map(({ local, remote, state }) => [local.port === PORT ? remote.port : local.port, state]));
}

function allStatesAt(host: TestHost): string[] {
  return socketsAt(host).map(({ state }) => state);
}

function socketsAt(host: TestHost): TcpSocket[] {
  const diag = host.inside(openSockDiag);
  try {
    return host.inside(() => ([4, 6] as const).flatMap((family) => diag.list({ family })));
  } finally {
    diag.close();
  }
}
