/** Backends, clients and a proxy between them, in this process. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { DatapathPlan } from '../../src/core/balancer/plan.ts';
import { type ProxyOptions, ProxyDatapath } from '../../src/drivers/proxy/proxy.ts';
import type { Log } from '../../src/ports/log.ts';

/** What is to be taken down after a test, newest first. */
export const undo: (() => unknown)[] = [];

/** Also what comes to it meanwhile: a connection that is accepted while the rest is taken down. */
export async function undoAll(): Promise<void> {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
}

export const portOf = (server: Server) => (server.address() as AddressInfo).port;

export async function serve(onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    undo.push(() => socket.destroy());
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  }).listen(0, host);
  await once(server, 'listening');
  undo.push(() => server.close());
  return server;
}

export interface Proxied {
  proxy: ProxyDatapath;
  port: number;
  plan: DatapathPlan;
  log: string[];
  crashes: Error[];
}

/** A proxy before these backends, `a` first. */
export async function proxied(ports: number[], options: ProxyOptions & { host?: string } = {}): Promise<Proxied> {
  const { host = '127.0.0.1', ...settings } = options;
  const spare = createServer().listen(0, host);
  await once(spare, 'listening');
  const port = portOf(spare);
  await new Promise((resolve) => spare.close(resolve));
  const backends = ports.map((backend, i) => ({ name: 'abc'[i] as string, address: host, port: backend, state: 'ready' as const }));
  const plan = { self: 0, frontends: [{ address: host, port }], backends };
  const said: string[] = [];
  const say = (facts: object, message: string) => void said.push(`${message} ${JSON.stringify(facts)}`);
  const log: Log = { debug: say, info: say, warn: say, error: say };
  const crashes: Error[] = [];
  const proxy = await ProxyDatapath.open(plan, (error) => crashes.push(error), { log, ...settings });
  undo.push(() => proxy.close());
  return { proxy, port, plan, log: said, crashes };
}

export function dial(port: number, host = '127.0.0.1'): { socket: Socket; fate: Promise<string> } {
  const socket = connect({ host, port, allowHalfOpen: true });
  undo.push(() => socket.destroy());
  const fate = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.on('end', () => resolve('end'));
  });
  return { socket, fate };
}

export const echo = (socket: Socket) => socket.pipe(socket);
export const hello = (socket: Socket) => socket.write('hello');
