import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BackendState } from '../../src/core/balancer/health.ts';
import type { DatapathPlan } from '../../src/core/balancer/plan.ts';
import { ProxyDatapath } from '../../src/drivers/proxy/proxy.ts';
import { until } from '../support/hale.ts';

/** Says its name, then repeats what it hears, and ends when the other side does. */
function backend(name: string): Server {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.write(name);
    socket.pipe(socket);
  });
  server.on('close', () => {
    for (const socket of sockets) socket.destroy();
  });
  return server.listen(0, '127.0.0.1');
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

let backends: Server[] = [];
let proxy: ProxyDatapath;
let port = 0;

function plan(states: BackendState[]): DatapathPlan {
  const targets = backends.map((server, i) => ({
    name: 'abc'[i] as string,
    address: '127.0.0.1',
    port: portOf(server),
    state: states[i] as BackendState,
  }));
  return { self: 0, frontends: [{ address: '127.0.0.1', port }], backends: targets };
}

beforeEach(async () => {
  backends = ['a', 'b', 'c'].map(backend);
  await Promise.all(backends.map((server) => (server.listening ? undefined : once(server, 'listening'))));
  const spare = createServer().listen(0, '127.0.0.1');
  await once(spare, 'listening');
  port = portOf(spare);
  spare.close();
  proxy = await ProxyDatapath.open(plan(['ready', 'ready', 'ready']), (error) => {
    throw error;
  });
});

afterEach(async () => {
  await proxy.close();
  for (const server of backends) server.close();
});

/** A client that has heard which backend it is on. */
async function client(): Promise<{ socket: Socket; on: string; fate: Promise<string> }> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const fate = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('end', () => resolve('end'));
  });
  const [first] = (await once(socket, 'data')) as [Buffer];
  return { socket, on: first.toString()[0] as string, fate };
}

test('connections are spread evenly', async () => {
  const clients = [];
  for (let i = 0; i < 9; i++) clients.push(await client());
  expect(
    clients
      .map(({ on }) => on)
      .sort()
      .join(''),
  ).toBe('aaabbbccc');
  for (const { socket } of clients) socket.destroy();
});

test('a backend that refuses is skipped before the client notices, and reported', async () => {
  const refused: string[] = [];
  proxy.onRefused((name) => refused.push(name));
  backends[1]?.close();
  const clients = [await client(), await client(), await client()];
  expect(clients.map(({ on }) => on)).not.toContain('b');
  await until(
    () => refused,
    (names) => names.includes('b'),
    'the refusal is reported',
  );
  for (const { socket } of clients) socket.destroy();
});

test('connections of a dead backend are reset at once, those of a draining one stay, others are not touched', async () => {
  const clients = [await client(), await client(), await client()];
  const of = (name: string) => clients.find(({ on }) => on === name) as Awaited<ReturnType<typeof client>>;
  proxy.apply(plan(['dead', 'draining', 'ready']));
  expect(await of('a').fate).toBe('ECONNRESET');
  for (const name of ['b', 'c']) {
    of(name).socket.write('?');
    expect((await once(of(name).socket, 'data')).toString()).toBe('?');
  }
  const later = await client();
  expect(later.on).toBe('c');
  for (const { socket } of [...clients, later]) socket.destroy();
});

test('half-closed connections still carry the answer (RFC 9293 section 3.6)', async () => {
  const { socket, fate } = await client();
  let answer = '';
  socket.on('data', (bytes: Buffer) => (answer += bytes.toString()));
  socket.end('last words');
  expect(await fate).toBe('end');
  expect(answer).toBe('last words');
});

test('drain takes no new connections, lets those under way end, and resets what stays', async () => {
  const [ends, stays] = [await client(), await client()];
  const drained = proxy.drain(300);
  ends.socket.end();
  expect(await ends.fate).toBe('end');
  expect(await stays.fate).toBe('ECONNRESET');
  await drained;
  const [error] = (await once(connect({ host: '127.0.0.1', port }), 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
});

test('a port that is taken is an error that says so', async () => {
  const open = ProxyDatapath.open(plan(['ready', 'ready', 'ready']), () => {});
  await expect(open).rejects.toMatchObject({ code: 'listen_refused' });
});
