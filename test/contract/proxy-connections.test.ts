import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import koffi from 'koffi';
import { afterEach, expect, test } from 'vitest';
import { connectionsWithin, openFilesLimit } from '../../src/drivers/proxy/descriptors.ts';
import * as libc from '../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../src/drivers/linux/socket-address.ts';
import { until } from '../support/hale.ts';
import { dial, echo, hello, portOf, proxied, serve, undo, undoAll } from '../support/proxied.ts';

const IPPROTO_TCP = 6;
const SO_KEEPALIVE = 9;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_USER_TIMEOUT = 18;
const MIB = 2 ** 20;

const setrlimit: (resource: number, limit: BigInt64Array) => number = koffi.load(null).func('int setrlimit(int, const int64_t *)');
const RLIMIT_NOFILE = 7;
/** Of this process, proc(5); -1, which is RLIM_INFINITY, when there is none. */
const hard = BigInt(/^Max open files +\S+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? -1);

/** Sets the soft limit of this process. */
function limitOpenFiles(soft: number): void {
  expect(setrlimit(RLIMIT_NOFILE, BigInt64Array.of(BigInt(soft), hard))).toBe(0);
}

afterEach(undoAll);

/** Descriptors of this process's sockets; the proxy's thread shares them. */
function sockets(): number[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:') ? [Number(fd)] : [];
    } catch {
      return [];
    }
  });
}

function intOption(fd: number, level: number, name: number): number {
  const value = new Int32Array(64);
  libc.getsockopt(fd, level, name, new Uint8Array(value.buffer), Uint32Array.of(4));
  return value[0] as number;
}

const userTimeouts = () => sockets().map((fd) => intOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT));

/** A listening port whose queue is full: the kernel drops every further SYN. */
async function deaf(): Promise<number> {
  const fd = libc.socket(libc.AF_INET, libc.SOCK_STREAM | libc.SOCK_CLOEXEC, 0);
  undo.push(() => libc.close(fd));
  const spare = createServer().listen(0, '127.0.0.1');
  await once(spare, 'listening');
  const port = portOf(spare);
  await new Promise((resolve) => spare.close(resolve));
  const address = socketAddress(Uint8Array.of(127, 0, 0, 1), port);
  expect([libc.bind(fd, address, address.length), libc.listen(fd, 0)]).toEqual([0, 0]);
  await once(dial(port).socket, 'connect');
  return port;
}

test('both sides have keep-alive after 15 s, each 5 s, three times, and a user timeout below 30 s (RFC 1122 section 4.2.3.6, RFC 5482)', async () => {
  const server = await serve(hello);
  const before = new Set(sockets());
  const { port } = await proxied([portOf(server)]);
  await once(dial(port).socket, 'data');
  const kept = sockets().filter((fd) => !before.has(fd) && intOption(fd, IPPROTO_TCP, TCP_KEEPCNT) === 3);
  // The listener, whose options clients inherit, the client's socket, the backend's.
  expect(
    kept.map((fd) => [
      intOption(fd, libc.SOL_SOCKET, SO_KEEPALIVE),
      intOption(fd, IPPROTO_TCP, TCP_KEEPIDLE),
      intOption(fd, IPPROTO_TCP, TCP_KEEPINTVL),
      intOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT),
    ]),
  ).toEqual([1, 2, 3].map(() => [1, 15, 5, 29_000]));
});

test('a backend that ends first still hears what the client says (RFC 9293 section 3.6)', async () => {
  let heard = '';
  const server = await serve((socket) => {
    socket.end('bye');
    socket.on('data', (bytes) => (heard += bytes.toString()));
    socket.on('end', () => (heard += '.'));
  });
  const { proxy, port } = await proxied([portOf(server)]);
  const { socket, fate } = dial(port);
  socket.resume();
  expect(await fate).toBe('end');
  socket.write('one');
  await until(
    () => heard,
    (text) => text === 'one',
    'the backend hears the client after its own end',
  );
  socket.end('two');
  await until(
    () => heard,
    (text) => text === 'onetwo.',
    'the backend hears the end',
  );
  await until(
    () => proxy.connections(),
    (count) => count === 0,
    'nothing is left',
  );
});

test('a reader that stops holds up its writer, not memory, and gets every byte later', { timeout: 60_000 }, async () => {
  const total = 200 * MIB;
  let written = 0;
  const server = await serve((socket) => {
    const chunk = Buffer.alloc(MIB, 7);
    const more = (): void => {
      if (written === total) return void socket.end();
      written += chunk.length;
      socket.write(chunk, () => more());
    };
    more();
  });
  const { port } = await proxied([portOf(server)]);
  const before = process.memoryUsage.rss();
  const { socket, fate } = dial(port);
  socket.pause();
  let last = -1;
  await until(
    () => written,
    (now) => (now > 0 && now === last) || ((last = now), false),
    'the writer waits',
  );
  // What the sockets of both connections hold at most (net.ipv4.tcp_rmem and tcp_wmem), and no more.
  expect(written).toBeLessThan(60 * MIB);
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB);
  let received = 0;
  socket.on('data', (bytes) => (received += bytes.length));
  socket.resume();
  expect(await fate).toBe('end');
  expect(received).toBe(total);
});

test('a client that does not read is not taken for one that vanished', { timeout: 60_000 }, async () => {
  const server = await serve((socket) => socket.write(Buffer.alloc(30 * MIB)));
  const { port } = await proxied([portOf(server)]);
  const { socket } = dial(port);
  socket.pause();
  const counts = () => {
    const all = userTimeouts();
    return all.filter((timeout) => timeout === 29_000).length;
  };
  await until(counts, (count) => count === 3, 'listener, client and backend have the timeout');
  await until(counts, (count) => count === 2, 'the timeout of the client is off');
  socket.resume();
  await until(counts, (count) => count === 3, 'and on again when it reads');
});

test('clients beyond the limit are reset, counted, and said once; those before them are not touched', async () => {
  const server = await serve((socket) => echo(socket.on('end', () => socket.end())) && hello(socket));
  const { proxy, port, log } = await proxied([portOf(server)], { maxConnections: 2 });
  const [first, second] = [dial(port), dial(port)];
  await Promise.all([once(first.socket, 'data'), once(second.socket, 'data')]);
  expect(await dial(port).fate).toBe('ECONNRESET');
  expect(await dial(port).fate).toBe('ECONNRESET');
  // Clients may hear of it first: it is another thread that counts.
  await until(
    () => proxy.shed(),
    (count) => count === 2,
    'both are counted',
  );
  expect(proxy.connections()).toBe(2);
  first.socket.write('?');
  expect(String(await once(first.socket, 'data'))).toBe('?');
  second.socket.end();
  await until(
    () => proxy.connections(),
    (count) => count === 1,
    'one has ended',
  );
  expect(String(await once(dial(port).socket, 'data'))).toBe('hello');
  // Its answer comes after everything that the thread had to say.
  await proxy.drain(0);
  expect(log.filter((line) => line.includes('limit of connections are reset'))).toHaveLength(1);
});

test('the limit of open files bounds the connections, and the log says so', async () => {
  expect([connectionsWithin(1024), connectionsWithin(20_000), connectionsWithin(10)]).toEqual([384, 9872, 1]);
  const before = openFilesLimit();
  undo.push(() => limitOpenFiles(before));
  limitOpenFiles(1000);
  expect(openFilesLimit()).toBe(1000);
  const server = await serve(hello);
  const { log } = await proxied([portOf(server)], { maxConnections: 373 });
  expect(log.join()).toContain('{"maxConnections":372,"wanted":373,"openFiles":1000}');
});

test('clients that come while the process has no descriptor left wait, and are served when it has', async () => {
  const server = await serve(hello);
  const { port, log } = await proxied([portOf(server)]);
  const fd = libc.socket(libc.AF_INET, libc.SOCK_STREAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  undo.push(() => libc.close(fd));
  const before = openFilesLimit();
  undo.push(() => limitOpenFiles(before));
  limitOpenFiles(fd + 1);
  const address = socketAddress(Uint8Array.of(127, 0, 0, 1), port);
  libc.connect(fd, address, address.length);
  await until(
    () => log.join(),
    (text) => text.includes('EMFILE'),
    'the log says what is missing',
  );
  limitOpenFiles(before);
  const buffer = new Uint8Array(100);
  await until(
    () => libc.recv(fd, buffer, buffer.length, 0),
    (length) => length === 5,
    'the client is served',
  );
});

test.for([
  { host: '127.0.0.1', family: 0x11, ip: [127, 0, 0, 1] },
  { host: '::1', family: 0x21, ip: [...Array(15).fill(0), 1] },
])('PROXY protocol v2 (section 2.2) tells the backend the client at $host before its bytes', async ({ host, family, ip }) => {
  const heard: Buffer[] = [];
  const server = await serve((socket) => socket.on('data', (bytes) => heard.push(bytes)), host);
  const { port } = await proxied([portOf(server)], { proxyProtocol: 'v2', host });
  const { socket } = dial(port, host);
  await once(socket, 'connect');
  const twoBytes = (value: number) => [value >> 8, value & 0xff];
  const header = [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, family, 0, 2 * ip.length + 4].concat(
    ip,
    ip,
    twoBytes((socket.address() as AddressInfo).port),
    twoBytes(port),
  );
  const all = () => Array.from(Buffer.concat(heard));
  // Before the client has said anything.
  await until(all, (bytes) => bytes.length === header.length, 'the header comes');
  socket.write('GET');
  await until(all, (bytes) => bytes.length === header.length + 3, 'the bytes come');
  expect(all()).toEqual([...header, ...Buffer.from('GET')]);
});

// Without the second, the kernel gives up after the user timeout.
test('a backend that does not answer within a second is left for the next one', { timeout: 20_000 }, async () => {
  const server = await serve(hello);
  const { port } = await proxied([await deaf(), portOf(server)]);
  const clients = [dial(port), dial(port)];
  for (const { socket } of clients) expect(String(await once(socket, 'data'))).toBe('hello');
});

test('clients that wait for a backend are told when the address has left, when their backend died, and when no other is there', async () => {
  const { proxy, port, plan } = await proxied([await deaf()]);
  const left = dial(port);
  await until(
    () => proxy.connections(),
    (count) => count === 1,
    'the client waits',
  );
  await proxy.resetConnections();
  expect(await left.fate).toBe('ECONNRESET');
  const lost = dial(port);
  proxy.apply({ ...plan, backends: plan.backends.map((backend) => ({ ...backend, state: 'dead' })) });
  expect(await lost.fate).toBe('ECONNRESET');
  await until(
    () => proxy.connections(),
    (count) => count === 0,
    'no connection is left',
  );
});

test('a connection that breaks on one side is reset on the other', async () => {
  const accepted: Socket[] = [];
  const server = await serve((socket) => {
    accepted.push(socket);
    hello(socket);
  });
  const { port } = await proxied([portOf(server)]);
  const client = dial(port);
  await once(client.socket, 'data');
  accepted[0]?.resetAndDestroy();
  expect(await client.fate).toBe('ECONNRESET');
  const other = dial(port);
  await once(other.socket, 'data');
  const broken = new Promise((resolve) => accepted[1]?.on('error', (error: NodeJS.ErrnoException) => resolve(error.code)));
  other.socket.resetAndDestroy();
  expect(await broken).toBe('ECONNRESET');
});

test('closing under load leaves no descriptor and no thread', async () => {
  const flood = Buffer.alloc(MIB);
  const server = await serve((socket) => {
    socket.write(flood);
    echo(socket);
  });
  const threads = () => readdirSync('/proc/self/task').length;
  const stalled = await deaf();
  const before = { sockets: sockets().length, threads: threads() };
  const { proxy, port } = await proxied([portOf(server), stalled]);
  const clients = Array.from({ length: 40 }, () => dial(port));
  for (const [i, { socket }] of clients.entries()) {
    if (i % 4 === 0) socket.end('half of it');
    else if (i % 4 === 1) socket.write(flood);
    else if (i % 4 === 2) socket.pause();
    if (i % 4 !== 2) socket.resume();
  }
  await until(
    () => proxy.connections(),
    (count) => count > 0,
    'clients are there',
  );
  await proxy.close();
  for (const { fate } of clients.filter((_, i) => i % 4 !== 2)) await fate;
  for (const { socket } of clients) socket.destroy();
  await until(
    () => ({ sockets: sockets().length, threads: threads() }),
    (now) => now.sockets === before.sockets && now.threads === before.threads,
    `everything is given back, as before: ${JSON.stringify(before)}`,
  );
});

test('a process that exits while its proxy is busy ends with its own exit code', async () => {
  const server = await serve((socket) => {
    const chunk = Buffer.alloc(MIB);
    // A write that fails calls back before the socket is destroyed: without a look at the error this would write for ever in one tick.
    const more = (error?: Error | null): void => void (error || socket.destroyed || socket.write(chunk, more));
    more();
  });
  const file = join(import.meta.dirname, '../support/busy-proxy.ts');
  const ends = [1, 2, 3].map(() =>
    once(spawn(process.execPath, [file, String(portOf(server))], { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit'),
  );
  for (const end of ends) expect(await end).toEqual([7, null]);
});

test('the death of the thread is told', async () => {
  const server = await serve(hello);
  const { proxy, plan, crashes } = await proxied([portOf(server)]);
  proxy.apply({ ...plan, backends: [{ name: 'x', address: 'nowhere', port: 1, state: 'ready' }] });
  await until(
    () => crashes.map((error) => error.message),
    ([message]) => message?.includes('nowhere') === true,
    'the crash is told',
  );
  expect(crashes).toHaveLength(1);
});
