import { createServer, type Server } from 'node:net';
import { parentPort } from 'node:worker_threads';
import type { DatapathPlan } from '../../core/balancer/plan.ts';
import { listenFreebind } from '../linux/listen.ts';
import { Forwarder } from './forward.ts';
import type { FromProxy, ToProxy } from './message.ts';

/** The proxy's own thread: a flood of connections must not delay the agent's renewals. */
const CONNECTIONS_REPORT_MS = 1000;
const DRAIN_CHECK_MS = 5;

const port = parentPort;
if (port === null) throw new Error('this file is the proxy thread of the agent; it is not run by itself');
const tell = (message: FromProxy) => port.postMessage(message);

const servers = new Map<string, Server>();
const forwarder = new Forwarder({ onRefused: (backend) => tell({ kind: 'refused', backend }) });

function apply(plan: DatapathPlan): void {
  forwarder.setBackends(plan.backends);
  for (const frontend of plan.frontends) {
    const name = `${frontend.address} ${frontend.port}`;
    if (!servers.has(name)) servers.set(name, listen(frontend));
  }
}

function listen(frontend: { address: string; port: number }): Server {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, (client) => forwarder.accept(client));
  server.on('error', (error) => tell({ kind: 'listen-failed', ...frontend, reason: error.message }));
  try {
    server.listen({ fd: listenFreebind(frontend) }, () => tell({ kind: 'listening' }));
  } catch (error) {
    tell({ kind: 'listen-failed', ...frontend, reason: (error as Error).message });
  }
  return server;
}

async function drain(graceMs: number): Promise<void> {
  for (const server of servers.values()) server.close();
  const until = Date.now() + graceMs;
  while (forwarder.connections > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
  forwarder.resetAll();
  tell({ kind: 'drained' });
}

setInterval(() => tell({ kind: 'connections', count: forwarder.connections }), CONNECTIONS_REPORT_MS).unref();

port.on('message', (message: ToProxy) => {
  if (message.kind === 'apply') apply(message.plan);
  else if (message.kind === 'reset') forwarder.resetAll();
  else void drain(message.graceMs);
});
