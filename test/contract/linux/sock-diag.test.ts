import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeSocket, openSockDiag, type SockDiag, type SocketFilter } from '../../../src/drivers/linux/sock-diag.ts';
import { createTestLink, netnsProblem, type TestLink } from '../../support/netns.ts';
import { connectFrom, listenIn } from '../../support/tcp.ts';

const problem = netnsProblem();

describe.skipIf(problem !== undefined)(
  `TCP sockets of a namespace (sock_diag)${problem === undefined ? '' : ` (skipped: ${problem})`}`,
  () => {
    let link: TestLink;
    let diag: SockDiag;
    let server: Server;
    let port = 0;
    const sockets: Socket[] = [];
    const keep = (socket: Socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
    };

    beforeEach(async () => {
      link = createTestLink();
      server = listenIn(link.host, keep);
      diag = link.host.inside(openSockDiag);
      await once(server, 'listening');
      port = (server.address() as { port: number }).port;
    });

    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.destroy();
      server.close();
      diag.close();
      link.remove();
    });

    const list = (filter: SocketFilter) => link.host.inside(() => diag.list(filter));
    const client = async (address: string) => {
      const accepted = once(server, 'connection');
      const socket = connectFrom(link.peer, { address, port });
      keep(socket);
      await accepted;
      return socket;
    };

    test('a server that listens on :: has its IPv4 connections listed as IPv4, and its IPv6 ones as IPv6', async () => {
      const { host, peer } = link;
      const four = await client(host.address4);
      const six = await client(host.address6);
      const common = { state: 'ESTABLISHED', linkIndex: 0 };
      expect(list({ family: 4, local: { port }, established: true })).toMatchObject([
        { ...common, family: 4, local: { address: host.address4, port }, remote: { address: peer.address4, port: four.localPort } },
      ]);
      expect(list({ family: 6, local: { port }, established: true })).toMatchObject([
        { ...common, family: 6, local: { address: host.address6, port }, remote: { address: peer.address6, port: six.localPort } },
      ]);
    });

    test('the kernel filters by either address and port', async () => {
      const { host, peer } = link;
      const four = await client(host.address4);
      await client(host.address4);
      await client(host.address6);
      const local = { address: host.address4, port };
      expect(list({ family: 4, local })).toHaveLength(2);
      expect(list({ family: 4, local: { ...local, address: '10.77.0.9' } })).toHaveLength(0);
      expect(list({ family: 4, local, remote: { address: peer.address4, port: four.localPort as number } })).toHaveLength(1);
      expect(list({ family: 4, local, remote: { address: host.address4 } })).toHaveLength(0);
      expect(list({ family: 6, local: { address: host.address6 }, remote: { address: peer.address6 } })).toHaveLength(1);
      expect(list({ family: 6, local: { address: host.address6 }, remote: { address: host.address6 } })).toHaveLength(0);
      expect(list({ family: 6, local: { port } }).map(({ state }) => state)).toContain('LISTEN');
      expect(() => list({ family: 4, local: { address: host.address6 } })).toThrow('not of family 4');
    });

    test('a half-closed connection is still listed as established, an ended one is not', async () => {
      const socket = await client(link.host.address4);
      const states = () => list({ family: 4, local: { port }, established: true }).map(({ state }) => state);
      socket.end();
      await expect.poll(states, { timeout: 30_000 }).toEqual(['CLOSE_WAIT']);
      sockets.find((other) => other.localPort === port)?.end();
      await expect.poll(states, { timeout: 30_000 }).toEqual([]);
    });

    test('more sockets than one datagram of the kernel holds are all listed, each once, and reading may stop half-way', async () => {
      const clients: Socket[] = [];
      while (clients.length < 700) clients.push(await client(link.host.address4));
      const ports = list({ family: 4, local: { port }, established: true }).map(({ remote }) => remote.port);
      expect(new Set(ports)).toEqual(new Set(clients.map((socket) => socket.localPort)));
      const slices = link.host.inside(() => {
        const reading = diag.slices({ family: 4, local: { port }, established: true });
        const first = reading.next();
        reading.return({ ok: true });
        return first;
      });
      expect((slices.value as unknown[]).length).toBeLessThan(700);
      expect(list({ family: 4, local: { port }, established: true })).toHaveLength(700);
    });

    test('a connection in TIME_WAIT is destroyed too', async () => {
      const socket = await client(link.host.address4);
      const accepted = sockets.find((other) => other.localPort === port) as Socket;
      accepted.end();
      socket.end();
      const waiting = () => list({ family: 4, local: { port }, state: 'TIME_WAIT' });
      await expect.poll(waiting, { timeout: 30_000 }).toHaveLength(1);
      expect(link.host.inside(() => diag.destroy(waiting()[0] as NonNullable<ReturnType<typeof waiting>[0]>))).toEqual({ ok: true });
      expect(waiting()).toEqual([]);
    });

    test.for(['address4', 'address6'] as const)('a destroyed connection (%s) is reset at its peer, and gone', async (family) => {
      const socket = await client(link.host[family]);
      const failed = once(socket, 'error');
      const [found] = list({ family: family === 'address4' ? 4 : 6, local: { port }, established: true });
      const destroy = () => link.host.inside(() => diag.destroy(found as NonNullable<typeof found>));
      expect(destroy()).toEqual({ ok: true });
      expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
      expect(destroy()).toEqual({ ok: false, reason: 'ENOENT' });
      expect(list({ family: family === 'address4' ? 4 : 6, local: { port }, established: true })).toEqual([]);
    });
  },
);

test('a message that is cut short is no socket', () => {
  expect(decodeSocket(new Uint8Array(71))).toBeUndefined();
  expect(decodeSocket(new Uint8Array(72))).toMatchObject({ family: 4, state: 'UNKNOWN' });
});
