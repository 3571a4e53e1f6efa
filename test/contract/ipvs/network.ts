/**
 * Hosts in a guest kernel: this process is `cp1`, the holder of the address; `cp2`, `cp3` and `client` are namespaces on the same link. Each control-plane
 * host has a server at port 6443 that tells its name and from where it was asked.
 */
import { deepEqual } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { parseIp } from '../../../src/base/address.ts';
import type { BackendState } from '../../../src/core/balancer/health.ts';
import type { DatapathPlan } from '../../../src/core/balancer/plan.ts';
import { putUpServing } from '../../../src/drivers/linux/dsr/serving.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../../src/drivers/linux/socket-address.ts';
import { inNamespace } from '../../support/netns.ts';

export const PORT = 6443;
export const SHARED = { 4: '10.77.0.100', 6: 'fd77::100' } as const;
export type V = 4 | 6;
export const addressOf = (number: number, v: V = 4) => (v === 4 ? `10.77.0.${number}` : `fd77::${number}`);
export const CLIENT = 9;

const hosts = { cp1: 1, cp2: 2, cp3: 3, client: CLIENT } as const;
export type HostName = keyof typeof hosts;
const SO_SNDTIMEO = 21;
const CONNECT_S = 3;

const ip = (...parameters: string[]) => execFileSync('ip', parameters, { encoding: 'utf8' });
export const nft = (...parameters: string[]) => execFileSync('nft', parameters, { encoding: 'utf8' });
export const inside = <T>(host: HostName, work: () => T): T => (host === 'cp1' ? work() : inNamespace(host, work));

/** Made once; it ends with the kernel. */
export function makeNetwork(): void {
  ip('link', 'add', 'eth0', 'address', '02:00:00:00:77:01', 'type', 'bridge');
  for (const [name, number] of Object.entries(hosts)) {
    if (name !== 'cp1') {
      ip('netns', 'add', name);
      ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      ip('link', 'set', name, 'master', 'eth0', 'up');
    }
    const at = name === 'cp1' ? [] : ['-n', name];
    ip(...at, 'link', 'set', 'lo', 'up');
    ip(...at, 'link', 'set', 'eth0', 'up');
    for (const v of [4, 6] as const)
      ip(...at, 'address', 'add', `${addressOf(number, v)}/${v === 4 ? 24 : 64}`, 'dev', 'eth0', ...(v === 6 ? ['nodad'] : []));
    if (name === 'client') continue;
    inside(name as HostName, () => {
      writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
      writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
      deepEqual(putUpServing({ interfaceName: 'eth0', addresses: Object.values(SHARED) }).problems, []);
      serve(name);
    });
  }
  // As the agent adds it: deprecated, so that nothing of this host's own begins there.
  ip('address', 'add', `${SHARED[4]}/32`, 'dev', 'eth0', 'preferred_lft', '0');
  ip('address', 'add', `${SHARED[6]}/128`, 'dev', 'eth0', 'nodad', 'preferred_lft', '0');
}

function serve(name: string): void {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}\n`);
    socket.on('data', (bytes) => socket.write(bytes));
  });
  // Not the port alone: the holder's own server would then be reached at the shared address without IPVS.
  server.listen(PORT);
}

export interface Connection {
  socket: Socket;
  /** How it ended, heard from its first moment on: nobody may be listening when that happens. */
  ended: Promise<string>;
  port: number;
  /** Name of the server and the address that it saw. */
  server: string;
  seen: string;
}

/** Throws when nobody accepts within three seconds. */
export async function connect(from: HostName = 'client', v: V = 4): Promise<Connection> {
  const fd = inside(from, () => libc.socket(v === 4 ? libc.AF_INET : libc.AF_INET6, libc.SOCK_STREAM | libc.SOCK_CLOEXEC, 0));
  libc.setsockopt(fd, libc.SOL_SOCKET, SO_SNDTIMEO, new Uint8Array(BigInt64Array.of(BigInt(CONNECT_S), 0n).buffer), 16);
  const to = socketAddress(parseIp(SHARED[v]) as Uint8Array, PORT);
  // A signal breaks off the wait and not the connection: asking again goes on waiting.
  while (libc.connect(fd, to, to.length) !== 0) {
    const errno = libc.lastErrno();
    if (errno === libc.EINTR) continue;
    libc.close(fd);
    throw new Error(libc.errnoName(errno));
  }
  const socket = new Socket({ fd });
  const ended = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('end', () => resolve('closed'));
  });
  const [server = '', seen = ''] = (await nextText(socket)).trim().split(' ');
  return { socket, ended, port: socket.localPort as number, server, seen };
}

export async function connectMany(count: number, { from = 'client' as HostName, v = 4 as V } = {}): Promise<Connection[]> {
  const made: Connection[] = [];
  for (let i = 0; i < count; i++) made.push(await connect(from, v));
  return made;
}

export function countByServer(connections: readonly Connection[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { server } of connections) counts[server] = (counts[server] ?? 0) + 1;
  return counts;
}

/** `alive`, or how the connection ended. */
export function fate({ socket, ended }: Connection): Promise<string> {
  socket.write('still there?');
  return Promise.race([ended, nextText(socket).then(() => 'alive'), after(5000, 'hung')]);
}

function nextText(socket: Socket): Promise<string> {
  return new Promise((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())));
}

function after<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), ms));
}

/** Tries until it succeeds, for five seconds; then throws what it threw. */
export async function eventually(check: () => void | Promise<void>): Promise<void> {
  const until = performance.now() + 5000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > until) throw error;
      await after(20, undefined);
    }
  }
}

/** States of cp1, cp2, cp3 in this order. */
export function planOf(states: readonly BackendState[], v: V = 4): DatapathPlan {
  return {
    self: 0,
    frontends: [{ address: SHARED[v], port: PORT }],
    backends: states.map((state, i) => ({ name: `cp${i + 1}`, address: addressOf(i + 1, v), port: PORT, state })),
  };
}
