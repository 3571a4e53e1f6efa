import { readdirSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HaleError } from '../../../src/base/error.ts';
import type { BgpConnection, BgpPeerAddress, BgpTransport } from '../../../src/ports/bgp.ts';
import { createTestLink, netnsProblem, type TestHost, type TestLink } from '../../support/netns.ts';
import { Capture, captureProblem } from '../../support/routers/capture.ts';
import { transportIn } from '../../support/routers/transport.ts';
import { connectFrom, listenIn } from '../../support/tcp.ts';

const problem = netnsProblem();
const PORT = 179;

/** One end of a connection, and all that happened at it. */
class End {
  readonly connection: BgpConnection;
  readonly chunks: Uint8Array[] = [];
  closed: string | undefined;

  constructor(connection: BgpConnection) {
    this.connection = connection;
    connection.onReceived((bytes) => this.chunks.push(bytes));
    connection.onClosed((reason) => (this.closed = reason));
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

/** Of this process, in whatever state. */
function openSockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // That of the look itself.
    }
  }).length;
}

describe.skipIf(problem !== undefined)(`TCP between BGP peers${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let link: TestLink;
  let before = 0;
  const transports: BgpTransport[] = [];
  const sockets: Socket[] = [];

  beforeEach(() => {
    before = openSockets();
    link = createTestLink();
  });

  afterEach(async () => {
    for (const transport of transports.splice(0)) transport.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    try {
      // While the network is there, so that both ends hear of the end.
      await expect.poll(openSockets, { timeout: 15_000 }).toBe(before);
    } finally {
      link.remove();
    }
  });

  const open = (host: TestHost, peers: BgpPeerAddress[], listen = [{ address: '0.0.0.0', port: PORT }]) => {
    const transport = transportIn(host, { listen, peers });
    transports.push(transport);
    return transport;
  };

  const toPeer = (more: Partial<BgpPeerAddress> = {}): BgpPeerAddress => ({ address: link.peer.address4, port: PORT, ttl: 1, ...more });
  const toHost = (more: Partial<BgpPeerAddress> = {}): BgpPeerAddress => ({ address: link.host.address4, port: PORT, ttl: 1, ...more });

  const accepted = (transport: BgpTransport) => {
    const ends: End[] = [];
    const peers: BgpPeerAddress[] = [];
    transport.onAccepted((peer, connection) => {
      peers.push(peer);
      ends.push(new End(connection));
    });
    return { ends, peers };
  };

  const connect = (transport: BgpTransport, peer: BgpPeerAddress) => {
    const attempt = { end: undefined as End | undefined, failed: undefined as string | undefined, cancel: () => {} };
    const { cancel } = transport.connect(peer, {
      onConnected: (connection) => (attempt.end = new End(connection)),
      onFailed: (reason) => (attempt.failed = reason),
    });
    attempt.cancel = cancel;
    return attempt;
  };

  /** A client of any kind; the kernel of the other side has completed the handshake when this returns. */
  const client = (from: TestHost, address: string) => {
    const socket = connectFrom(from, { address, port: PORT });
    const happened = { socket, text: '', ended: false, error: undefined as string | undefined };
    socket.on('data', (bytes) => (happened.text += bytes.toString()));
    socket.on('end', () => (happened.ended = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (happened.error = error.code));
    socket.resume();
    sockets.push(socket);
    return happened;
  };

  const counter = (host: TestHost, name: string) => Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(host.run('nstat', '-asz', name))?.[1]);
  const socketsOf = (host: TestHost) =>
    host
      .run('ss', '-tanH')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('TIME-WAIT'));

  test.each(['IPv4', 'IPv6'])('connects, accepts, sends both ways and closes over %s, and leaves no socket', async (family) => {
    const [hostAddress, peerAddress, any] =
      family === 'IPv4' ? [link.host.address4, link.peer.address4, '0.0.0.0'] : [link.host.address6, link.peer.address6, '::'];
    const host = open(link.host, [toPeer({ address: peerAddress })], [{ address: any, port: PORT }]);
    const peer = open(link.peer, [toHost({ address: hostAddress, localAddress: peerAddress })], [{ address: peerAddress, port: PORT }]);
    const { ends, peers } = accepted(peer);
    const attempt = connect(host, toPeer({ address: peerAddress, localAddress: hostAddress }));
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
    await expect.poll(() => [...socketsOf(link.host), ...socketsOf(link.peer)]).toEqual([]);
  });

  describe.skipIf(captureProblem !== undefined)(`on the wire${captureProblem === undefined ? '' : ` (skipped: ${captureProblem})`}`, () => {
    test.each([
      { name: 'a peer on the link', more: { ttl: 1 }, ttl: '1' },
      { name: 'a peer some hops away', more: { ttl: 5 }, ttl: '5' },
      { name: 'TTL security', more: { ttl: 5, ttlSecurityHops: 1 }, ttl: '255' },
    ])('$name: every packet has TTL $ttl, and is network control (CS6), in both families', async ({ more, ttl }) => {
      const capture = await Capture.start(link.peer, 'tcp port 179');
      try {
        const listen = ['0.0.0.0', '::'].map((address) => ({ address, port: PORT }));
        const here = [toPeer(more), toPeer({ address: link.peer.address6, ...more })];
        const there = [toHost(more), toHost({ address: link.host.address6, ...more })];
        const { ends } = accepted(open(link.peer, there, listen));
        const host = open(link.host, here, listen);
        const attempts = here.map((peer) => connect(host, peer));
        await expect.poll(() => [ends.length, ...attempts.map(({ end }) => end !== undefined)]).toEqual([2, true, true]);
        for (const { connection } of ends) connection.send(Buffer.from('there'));
        for (const { end } of attempts) end?.connection.send(Buffer.from('here'));
        await expect
          .poll(() => [...ends, ...attempts.map(({ end }) => end as End)].map(({ text }) => text))
          .toEqual(['here', 'here', 'there', 'there']);
        await capture.stop();
        const packets = await capture.fields('tcp', 'ip.ttl', 'ipv6.hlim', 'ip.dsfield.dscp', 'ipv6.tclass.dscp', 'ip.src', 'ipv6.src');
        expect(new Set(packets.map(([ttl4, ttl6, dscp4, dscp6]) => `${ttl4}${ttl6} ${dscp4}${dscp6}`))).toEqual(new Set([`${ttl} 48`]));
        expect(new Set(packets.map(([, , , , from4, from6]) => `${from4}${from6}`)).size).toBe(4);
      } finally {
        await capture.remove();
      }
    });
  });

  test('the end of the connection is at the address asked for', async () => {
    link.host.run('ip', 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
    const host = open(link.host, [toPeer()]);
    const { ends } = accepted(open(link.peer, [toHost({ address: '10.77.0.100' })]));
    connect(host, toPeer({ localAddress: '10.77.0.100' }));
    await expect.poll(() => ends.map(({ connection }) => connection.remoteAddress)).toEqual(['10.77.0.100']);
  });

  test('a refused connection, an address this host has not, and a network without a route are told with their reason, later', async () => {
    const host = open(link.host, [toPeer()]);
    const refused = connect(host, toPeer());
    const elsewhere = connect(host, toPeer({ localAddress: '10.9.9.9' }));
    const unreachable = connect(host, toPeer({ address: '192.0.2.1' }));
    expect([refused.failed, elsewhere.failed, unreachable.failed]).toEqual([undefined, undefined, undefined]);
    await expect.poll(() => refused.failed).toBe('connect to 10.77.0.2 port 179: ECONNREFUSED');
    await expect.poll(() => elsewhere.failed).toBe('connect to 10.77.0.2 port 179: bind to 10.9.9.9: EADDRNOTAVAIL');
    await expect.poll(() => unreachable.failed).toBe('connect to 192.0.2.1 port 179: ENETUNREACH');
    await sleep(50);
    expect([refused, elsewhere, unreachable].map(({ end }) => end)).toEqual([undefined, undefined, undefined]);
  });

  test('an attempt that is cancelled says nothing and leaves nothing', async () => {
    const host = open(link.host, [toPeer()]);
    link.peer.run('ip', 'link', 'set', 'eth0', 'down');
    const attempts = [connect(host, toPeer()), connect(host, toPeer({ localAddress: '10.9.9.9' }))];
    expect(socketsOf(link.host).some((line) => line.startsWith('SYN-SENT'))).toBe(true);
    for (const attempt of attempts) attempt.cancel();
    expect(socketsOf(link.host)).toHaveLength(1);
    await sleep(50);
    expect(attempts.map(({ end, failed }) => [end, failed])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  test('a port that is taken is an error with a remedy', () => {
    open(link.host, [toPeer()]);
    expect(() => open(link.host, [toPeer()])).toThrow(HaleError);
    expect(() => open(link.host, [toPeer()])).toThrow('listen on 0.0.0.0:179: bind failed with EADDRINUSE');
  });

  describe('only peers are let in', () => {
    test('a stranger is reset, and the transport is told nothing', async () => {
      const { ends } = accepted(open(link.host, [toPeer({ address: '10.77.0.9' })]));
      const stranger = client(link.peer, link.host.address4);
      await expect.poll(() => stranger.error).toBe('ECONNRESET');
      expect(ends).toEqual([]);
    });

    test('a peer that connects to another address than its session has is a stranger', async () => {
      link.host.run('ip', 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
      const { ends } = accepted(open(link.host, [toPeer({ localAddress: '10.77.0.100' })]));
      const stranger = client(link.peer, link.host.address4);
      await expect.poll(() => stranger.error).toBe('ECONNRESET');
      client(link.peer, '10.77.0.100');
      await expect.poll(() => ends.length).toBe(1);
    });

    test('a flood of strangers keeps no peer out', async () => {
      link.peer.run('ip', 'address', 'add', '10.77.0.100/24', 'dev', 'eth0');
      const { ends } = accepted(open(link.host, [toPeer({ address: '10.77.0.100' })]));
      const strangers: ReturnType<typeof client>[] = [];
      for (let i = 0; i < 500; i++) {
        strangers.push(client(link.peer, link.host.address4));
        if (i % 50 === 0) await sleep(0);
      }
      const peer = connect(open(link.peer, [toHost()]), toHost({ localAddress: '10.77.0.100' }));
      await expect.poll(() => peer.end).toBeDefined();
      await expect.poll(() => ends.length).toBe(1);
      await expect.poll(() => strangers.every(({ error }) => error === 'ECONNRESET')).toBe(true);
      await expect.poll(() => socketsOf(link.host).length).toBe(2);
    });
  });

  describe('TCP MD5 signatures (RFC 2385)', () => {
    test.each(['IPv4', 'IPv6'])('the same key on both sides connects over %s', async (family) => {
      const [hostAddress, peerAddress, any] =
        family === 'IPv4' ? [link.host.address4, link.peer.address4, '0.0.0.0'] : [link.host.address6, link.peer.address6, '::'];
      const password = 'a key of up to 80 bytes'.padEnd(80, '!');
      const there = accepted(open(link.peer, [toHost({ address: hostAddress, password })], [{ address: any, port: PORT }]));
      const host = open(link.host, [toPeer({ address: peerAddress, password })], [{ address: any, port: PORT }]);
      const attempt = connect(host, toPeer({ address: peerAddress, password }));
      await expect.poll(() => attempt.end).toBeDefined();
      attempt.end?.connection.send(Buffer.from('signed'));
      await expect.poll(() => there.ends[0]?.text).toBe('signed');
      there.ends[0]?.connection.send(Buffer.from('signed too'));
      await expect.poll(() => attempt.end?.text).toBe('signed too');
    });

    test.each([
      { name: 'another key', ours: 'one', theirs: 'other', counted: 'TcpExtTCPMD5Failure' },
      { name: 'no key there', ours: 'one', theirs: undefined, counted: 'TcpExtTCPMD5Unexpected' },
      { name: 'no key here', ours: undefined, theirs: 'other', counted: 'TcpExtTCPMD5NotFound' },
    ])('$name: the kernel drops it, and nobody is told', async ({ ours, theirs, counted }) => {
      const key = (password: string | undefined) => (password === undefined ? {} : { password });
      const there = accepted(open(link.peer, [toHost(key(theirs))]));
      const attempt = connect(open(link.host, [toPeer(key(ours))]), toPeer(key(ours)));
      await expect.poll(() => counter(link.peer, counted)).toBeGreaterThan(0);
      expect([attempt.end, attempt.failed, there.ends]).toEqual([undefined, undefined, []]);
      attempt.cancel();
    });

    test('each peer has its own key, and those without one need none', async () => {
      link.peer.run('ip', 'address', 'add', '10.77.0.101/24', 'dev', 'eth0');
      link.peer.run('ip', 'address', 'add', '10.77.0.102/24', 'dev', 'eth0');
      const { ends } = accepted(
        open(link.host, [
          toPeer(),
          toPeer({ address: '10.77.0.101', password: 'one' }),
          toPeer({ address: '10.77.0.102', password: 'two' }),
        ]),
      );
      const peer = open(link.peer, [toHost()]);
      connect(peer, toHost({ localAddress: '10.77.0.2' }));
      connect(peer, toHost({ localAddress: '10.77.0.101', password: 'one' }));
      connect(peer, toHost({ localAddress: '10.77.0.102', password: 'two' }));
      await expect
        .poll(() => ends.map(({ connection }) => connection.remoteAddress).toSorted())
        .toEqual(['10.77.0.101', '10.77.0.102', '10.77.0.2']);
    });
  });

  describe('the generalized TTL security mechanism (RFC 5082)', () => {
    test.each(['IPv4', 'IPv6'])('section 3: 255 is sent, and 255 is let in, over %s', async (family) => {
      const [hostAddress, peerAddress, any] =
        family === 'IPv4' ? [link.host.address4, link.peer.address4, '0.0.0.0'] : [link.host.address6, link.peer.address6, '::'];
      const secure = { ttlSecurityHops: 1 };
      const there = accepted(open(link.peer, [toHost({ address: hostAddress, ...secure })], [{ address: any, port: PORT }]));
      const host = open(link.host, [], []);
      const attempt = connect(host, toPeer({ address: peerAddress, ...secure }));
      await expect.poll(() => attempt.end).toBeDefined();
      attempt.end?.connection.send(Buffer.from('near'));
      await expect.poll(() => there.ends[0]?.text).toBe('near');
    });

    test('where all peers ask for it, a SYN from further away is dropped', async () => {
      const there = accepted(open(link.peer, [toHost({ ttlSecurityHops: 1 })]));
      const attempt = connect(open(link.host, [], []), toPeer({ ttl: 254 }));
      await expect.poll(() => counter(link.peer, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(0);
      expect([attempt.end, attempt.failed, there.ends]).toEqual([undefined, undefined, []]);
      attempt.cancel();
      const within = accepted(open(link.peer, [toHost({ ttlSecurityHops: 2 })], [{ address: '0.0.0.0', port: 1179 }]));
      connect(open(link.host, [], []), toPeer({ ttl: 254, port: 1179 }));
      await expect.poll(() => within.ends.length).toBe(1);
    });

    test('where another peer does not, the answer to a SYN has 255 all the same', async () => {
      const there = accepted(open(link.peer, [toHost({ ttlSecurityHops: 1 }), toHost({ address: '10.77.0.9', ttl: 64 })]));
      const near = connect(open(link.host, [], []), toPeer({ ttlSecurityHops: 1 }));
      await expect.poll(() => [there.ends.length, near.end !== undefined]).toEqual([1, true]);
    });

    test('where another peer does not, what a peer sends from further away is dropped', async () => {
      const there = accepted(open(link.peer, [toHost({ ttlSecurityHops: 1 }), toHost({ address: '10.77.0.9', ttl: 64 })]));
      const far = connect(open(link.host, [], []), toPeer({ ttl: 64 }));
      await expect.poll(() => there.ends.length).toBe(1);
      await expect.poll(() => far.end).toBeDefined();
      const before = counter(link.peer, 'TcpExtTCPMinTTLDrop');
      far.end?.connection.send(Buffer.from('far'));
      await expect.poll(() => counter(link.peer, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(before);
      expect(there.ends[0]?.text).toBe('');
    });
  });

  describe('the end of a connection', () => {
    const established = async () => {
      const there = accepted(open(link.peer, [toHost()]));
      const host = open(link.host, [toPeer()]);
      const attempt = connect(host, toPeer());
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
      open(link.host, [toPeer()]).onAccepted((_, connection) => {
        connection.send(Buffer.from('last words'));
        setTimeout(() => connection.close(), 100);
      });
      const peer = client(link.peer, link.host.address4);
      peer.socket.write(Buffer.alloc(30_000));
      await expect.poll(() => peer.ended).toBe(true);
      expect([peer.text, peer.error]).toEqual(['last words', undefined]);
    });

    test('a connection that the peer resets is told once, with its reason', async () => {
      const { ends } = accepted(open(link.host, [toPeer()]));
      const peer = client(link.peer, link.host.address4);
      await expect.poll(() => ends.length).toBe(1);
      peer.socket.resetAndDestroy();
      await expect.poll(() => ends[0]?.closed).toBe('ECONNRESET');
      ends[0]?.connection.send(Buffer.from('into the void'));
      ends[0]?.connection.close();
    });

    test('one whose error is found by sending has that reason', async () => {
      const { here } = await established();
      link.host.run('ss', '-K', 'dst', link.peer.address4);
      here.connection.send(Buffer.from('x'));
      await expect.poll(() => here.closed).toMatch(/^E[A-Z]+$/);
    });

    test('a peer that is gone holds nothing: after a while it is reset', async () => {
      const { host, here } = await established();
      link.peer.run('ip', 'link', 'set', 'eth0', 'down');
      here.connection.send(Buffer.alloc(5_000_000));
      here.connection.close();
      host.close();
      expect(socketsOf(link.host)).not.toEqual([]);
      await expect.poll(() => socketsOf(link.host), { timeout: 30_000 }).toEqual([]);
    });

    test('the transport that closes closes all, with what was sent', async () => {
      const { host, here, there } = await established();
      here.connection.send(Buffer.from('good bye'));
      host.close();
      await expect.poll(() => there.closed).toBe('closed by the peer');
      expect(there.text).toBe('good bye');
      expect(here.closed).toBeUndefined();
      expect(() => connectFrom(link.peer, { address: link.host.address4, port: PORT })).toThrow('ECONNREFUSED');
    });
  });

  test('a server that is no BGP speaker is no trouble', async () => {
    const server = listenIn(link.peer, (socket) => sockets.push(socket), 8179);
    try {
      const attempt = connect(open(link.host, [toPeer()]), toPeer({ port: 8179 }));
      await expect.poll(() => attempt.end).toBeDefined();
    } finally {
      server.close();
    }
  });

  test('the key is in no error', () => {
    expect(() => open(link.host, [toPeer({ password: 'secret'.repeat(20) })])).toThrow(/^(?!.*secret)/s);
  });
});
