import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HaleError } from '../../../src/base/error.ts';
import { netnsProblem, type TestHost } from '../../support/netns.ts';
import { accepted, type Client, connect, type End, PORT, TcpStage } from '../../support/routers/tcp-stage.ts';
import { connectFrom, listenIn } from '../../support/tcp.ts';

const problem = netnsProblem();

describe.skipIf(problem !== undefined)(`TCP between BGP peers${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let stage: TcpStage;
  beforeEach(() => {
    stage = new TcpStage();
  });
  afterEach(() => stage.end());

  test.each(['IPv4', 'IPv6'])('connects, accepts, sends both ways and closes over %s, and leaves no socket', async (family) => {
    const [hostAddress, peerAddress, any] = stage.addresses(family);
    const host = stage.open(stage.link.host, [stage.toPeer({ address: peerAddress })], [{ address: any, port: PORT }]);
    const peer = stage.open(
      stage.link.peer,
      [stage.toHost({ address: hostAddress, localAddress: peerAddress })],
      [{ address: peerAddress, port: PORT }],
    );
    const { ends, peers } = accepted(peer);
    const attempt = connect(host, stage.toPeer({ address: peerAddress, localAddress: hostAddress }));
    await expect.poll(() => ends.length).toBe(1);
    await expect.poll(() => attempt.end).toBeDefined();
    expect(peers[0]?.address).toBe(hostAddress);
    const there = ends[0] as End;
    const here = attempt.end as End;
    expect(here.connection).toMatchObject({ localAddress: hostAddress, remoteAddress: peerAddress });
    expect(there.connection).toMatchObject({ localAddress: peerAddress, remoteAddress: hostAddress });
    here.connection.send(Buffer.from('from host'));
    there.connection.send(Buffer.from('from peer'));
    await expect.poll(() => there.text).toBe('from host');
    await expect.poll(() => here.text).toBe('from peer');
    here.connection.close();
    await expect.poll(() => there.closed).toBe('closed by the peer');
    expect(here.closed).toBeUndefined();
    host.close();
    peer.close();
    await expect.poll(() => [...socketsOf(stage.link.host), ...socketsOf(stage.link.peer)]).toEqual([]);
  });

  test('the end of the connection is at the address asked for', async () => {
    stage.link.host.run('ip', 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
    const host = stage.open(stage.link.host, [stage.toPeer()]);
    const { ends } = accepted(stage.open(stage.link.peer, [stage.toHost({ address: '10.77.0.100' })]));
    connect(host, stage.toPeer({ localAddress: '10.77.0.100' }));
    await expect.poll(() => ends.map(({ connection }) => connection.remoteAddress)).toEqual(['10.77.0.100']);
  });

  test('a refused connection, an address this host has not, and a network without a route are told with their reason, later', async () => {
    const host = stage.open(stage.link.host, [stage.toPeer()]);
    const refused = connect(host, stage.toPeer());
    const elsewhere = connect(host, stage.toPeer({ localAddress: '10.9.9.9' }));
    const unreachable = connect(host, stage.toPeer({ address: '192.0.2.1' }));
    expect([refused.failed, elsewhere.failed, unreachable.failed]).toEqual([undefined, undefined, undefined]);
    await expect.poll(() => refused.failed).toBe('connect to 10.77.0.2 port 179: ECONNREFUSED');
    await expect.poll(() => elsewhere.failed).toBe('connect to 10.77.0.2 port 179: bind to 10.9.9.9: EADDRNOTAVAIL');
    await expect.poll(() => unreachable.failed).toBe('connect to 192.0.2.1 port 179: ENETUNREACH');
    await sleep(50);
    expect([refused, elsewhere, unreachable].map(({ end }) => end)).toEqual([undefined, undefined, undefined]);
  });

  test('an attempt that is cancelled says nothing and leaves nothing', async () => {
    const host = stage.open(stage.link.host, [stage.toPeer()]);
    stage.link.peer.run('ip', 'link', 'set', 'eth0', 'down');
    const attempts = [connect(host, stage.toPeer()), connect(host, stage.toPeer({ localAddress: '10.9.9.9' }))];
    expect(socketsOf(stage.link.host).some((line) => line.startsWith('SYN-SENT'))).toBe(true);
    for (const attempt of attempts) attempt.cancel();
    expect(socketsOf(stage.link.host)).toHaveLength(1);
    await sleep(50);
    expect(attempts.map(({ end, failed }) => [end, failed])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  test('a port that is taken is an error with a remedy', () => {
    stage.open(stage.link.host, [stage.toPeer()]);
    expect(() => stage.open(stage.link.host, [stage.toPeer()])).toThrow(HaleError);
    expect(() => stage.open(stage.link.host, [stage.toPeer()])).toThrow('listen on 0.0.0.0:179: bind failed with EADDRINUSE');
  });

  describe('only peers are let in', () => {
    test('a stranger is reset, and the transport is told nothing', async () => {
      const { ends } = accepted(stage.open(stage.link.host, [stage.toPeer({ address: '10.77.0.9' })]));
      const stranger = stage.client(stage.link.peer, stage.link.host.address4);
      await expect.poll(() => stranger.error).toBe('ECONNRESET');
      expect(ends).toEqual([]);
    });

    test('a peer that connects to another address than its session has is a stranger', async () => {
      stage.link.host.run('ip', 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
      const { ends } = accepted(stage.open(stage.link.host, [stage.toPeer({ localAddress: '10.77.0.100' })]));
      const stranger = stage.client(stage.link.peer, stage.link.host.address4);
      await expect.poll(() => stranger.error).toBe('ECONNRESET');
      stage.client(stage.link.peer, '10.77.0.100');
      await expect.poll(() => ends.length).toBe(1);
    });

    test('a flood of strangers keeps no peer out', async () => {
      stage.link.peer.run('ip', 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
      const { ends } = accepted(stage.open(stage.link.host, [stage.toPeer({ address: '10.77.0.100' })]));
      const strangers: Client[] = [];
      for (let i = 0; i < 500; i++) {
        strangers.push(stage.client(stage.link.peer, stage.link.host.address4));
        if (i % 50 === 0) await sleep(0);
      }
      const peer = connect(stage.open(stage.link.peer, [stage.toHost()]), stage.toHost({ localAddress: '10.77.0.100' }));
      await expect.poll(() => peer.end).toBeDefined();
      await expect.poll(() => ends.length).toBe(1);
      await expect.poll(() => strangers.every(({ error }) => error === 'ECONNRESET')).toBe(true);
      await expect.poll(() => socketsOf(stage.link.host).length).toBe(2);
    });
  });

  describe('the end of a connection', () => {
    const established = async () => {
      const there = accepted(stage.open(stage.link.peer, [stage.toHost()]));
      const host = stage.open(stage.link.host, [stage.toPeer()]);
      const attempt = connect(host, stage.toPeer());
      await expect.poll(() => attempt.end).toBeDefined();
      await expect.poll(() => there.ends.length).toBe(1);
      return { host, here: attempt.end as End, there: there.ends[0] as End };
    };

    test('what is sent in bulk arrives whole and in order, also when close comes right behind it', async () => {
      const { here, there } = await established();
      const bulk = Buffer.alloc(20_000_000);
      for (let i = 0; i < bulk.length; i += 4) bulk.writeUInt32LE(i, i);
      for (let at = 0; at < bulk.length; at += 4096) here.connection.send(bulk.subarray(at, at + 4096));
      here.connection.close();
      await expect.poll(() => there.closed, { timeout: 30_000 }).toBe('closed by the peer');
      expect(Buffer.concat(there.chunks).equals(bulk)).toBe(true);
    });

    test('a last message arrives though bytes of the peer were never read', async () => {
      stage.open(stage.link.host, [stage.toPeer()]).onAccepted((_, connection) => {
        connection.send(Buffer.from('last words'));
        setTimeout(() => connection.close(), 100);
      });
      const peer = stage.client(stage.link.peer, stage.link.host.address4);
      peer.socket.write(Buffer.alloc(30_000));
      await expect.poll(() => peer.ended).toBe(true);
      expect([peer.text, peer.error]).toEqual(['last words', undefined]);
    });

    test('a connection that the peer resets is told once, with its reason', async () => {
      const { ends } = accepted(stage.open(stage.link.host, [stage.toPeer()]));
      const peer = stage.client(stage.link.peer, stage.link.host.address4);
      await expect.poll(() => ends.length).toBe(1);
      peer.socket.resetAndDestroy();
      await expect.poll(() => ends[0]?.closed).toBe('ECONNRESET');
      ends[0]?.connection.send(Buffer.from('into the void'));
      ends[0]?.connection.close();
    });

    test('one whose error is found by sending has that reason', async () => {
      const { ends } = accepted(stage.open(stage.link.host, [stage.toPeer()]));
      const peer = stage.client(stage.link.peer, stage.link.host.address4);
      await expect.poll(() => ends.length).toBe(1);
      peer.socket.resetAndDestroy();
      // Before the event loop has looked.
      ends[0]?.connection.send(Buffer.from('x'));
      await expect.poll(() => ends[0]?.closed).toBe('ECONNRESET');
    });

    test('a peer that is gone holds nothing: after a while it is reset', async () => {
      const { host, here } = await established();
      stage.link.peer.run('ip', 'link', 'set', 'eth0', 'down');
      here.connection.send(Buffer.alloc(5_000_000));
      here.connection.close();
      host.close();
      expect(socketsOf(stage.link.host)).not.toEqual([]);
      await expect.poll(() => socketsOf(stage.link.host), { timeout: 30_000 }).toEqual([]);
    });

    test('the transport that closes closes all, with what was sent', async () => {
      const { host, here, there } = await established();
      here.connection.send(Buffer.from('good bye'));
      host.close();
      await expect.poll(() => there.closed).toBe('closed by the peer');
      expect(there.text).toBe('good bye');
      expect(here.closed).toBeUndefined();
      expect(() => connectFrom(stage.link.peer, { address: stage.link.host.address4, port: PORT })).toThrow('ECONNREFUSED');
    });
  });

  test('a server that is no BGP speaker is no trouble', async () => {
    const server = listenIn(stage.link.peer, (socket) => stage.keep(socket), 8179);
    try {
      const attempt = connect(stage.open(stage.link.host, [stage.toPeer()]), stage.toPeer({ port: 8179 }));
      await expect.poll(() => attempt.end).toBeDefined();
    } finally {
      server.close();
    }
  });
});

function socketsOf(host: TestHost): string[] {
  return host
    .run('ss', '-tanH')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('TIME-WAIT'));
}
