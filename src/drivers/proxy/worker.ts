import { parentPort, workerData } from 'node:worker_threads';
import { parseIp } from '../../base/address.ts';
import { encodeProxyHeader } from '../../core/balancer/proxy-protocol.ts';
import { Epoll } from '../linux/epoll.ts';
import { Forwarder } from './forward.ts';
import { Listener } from './listener.ts';
import { Counter, type FromProxy, type ProxyStart, type ToProxy } from './message.ts';
import { lastPeer, reset } from './tcp.ts';

/** The proxy's own thread: a flood of connections must not delay the agent's renewals. */
const DRAIN_CHECK_MS = 5;
const SAY_AGAIN_MS = 60_000;
/** Two looks fit into the user timeout of a client. */
const CHECK_READERS_MS = 10_000;

const port = parentPort;
if (port === null) throw new Error('this file is the proxy thread of the agent; it is not run by itself');
const tell = (message: FromProxy) => port.postMessage(message);
const { plan, fds, settings, counters } = workerData as ProxyStart;

const epoll = new Epoll();
const forwarder = new Forwarder({
  epoll,
  onRefused: (backend) => tell({ kind: 'refused', backend }),
  onCount: (clients) => Atomics.store(counters, Counter.connections, clients),
});
const listeners: Listener[] = [];
const saidAt = new Map<string, number>();

function tellShed(reason: string): void {
  const now = performance.now();
  if (now - (saidAt.get(reason) ?? Number.NEGATIVE_INFINITY) < SAY_AGAIN_MS) return;
  saidAt.set(reason, now);
  tell({ kind: 'shed', reason });
}

/** Beyond the limit a client is reset, so that it knows at once: left in the kernel's queue it would take itself for connected and hang. */
function accept(fd: number, frontend: ProxyStart['plan']['frontends'][number]): void {
  if (forwarder.clients >= settings.maxConnections) {
    reset(fd);
    Atomics.add(counters, Counter.shed, 1);
    return tellShed('limit');
  }
  if (settings.proxyProtocol === 'off') return forwarder.accept(fd, undefined);
  const destination = { ip: parseIp(frontend.address) as Uint8Array, port: frontend.port };
  forwarder.accept(fd, encodeProxyHeader({ source: lastPeer(), destination }));
}

async function drain(graceMs: number): Promise<void> {
  for (const listener of listeners.splice(0)) listener.close();
  const until = performance.now() + graceMs;
  while (forwarder.clients > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
  forwarder.resetAll();
  tell({ kind: 'drained' });
}

/** A descriptor that native code opened is not closed by the end of a thread. */
function close(): void {
  clearInterval(readers);
  for (const listener of listeners.splice(0)) listener.close();
  forwarder.close();
  epoll.close();
  port?.close();
  Atomics.store(counters, Counter.closed, 1);
  Atomics.notify(counters, Counter.closed);
}

forwarder.setBackends(plan.backends);
for (const [i, frontend] of plan.frontends.entries()) {
  listeners.push(new Listener({ epoll, fd: fds[i] as number, onClient: (fd) => accept(fd, frontend), onScarce: tellShed }));
}
const readers = setInterval(() => forwarder.checkReaders(), CHECK_READERS_MS);

port.on('message', (message: ToProxy) => {
  if (message.kind === 'apply') forwarder.setBackends(message.plan.backends);
  else if (message.kind === 'close') close();
  else if (message.kind === 'reset') {
    forwarder.resetAll();
    tell({ kind: 'reset-done' });
  } else void drain(message.graceMs);
});
tell({ kind: 'listening' });
