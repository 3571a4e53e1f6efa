import { createServer, type Server } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { Forwarder } from './forward.ts';
import type { FromProxy, ToProxy } from './message.ts';

/** The proxy's own thread: a flood of connections must not delay the agent's renewals. */
const CONNECTIONS_REPORT_MS = 1000;
const DRAIN_CHECK_MS = 5;

const port = parentPort;
if (port === null) throw new Error('this file is the proxy thread of the agent; it is not run by itself');
const tell = (message: FromProxy) => port.postMessage(message);

const servers: Server[] = [];
const forwarder = new Forwarder({ onRefused: (backend) => tell({ kind: 'refused', backend }) });

/** The sockets come bound from the main thread: native code loaded a second time would cost memory. */
function listen(fd: number): Server {
  const server = createServer({ allowHalfOpen: true }, (client) => forwarder.accept(client));
  return server.listen({ fd }, () => tell({ kind: 'listening' }));
}

async function drain(graceMs: number): Promise<void> {
  for (const server of servers) server.close();
  const until = Date.now() + graceMs;
  while (forwarder.connections > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
  forwarder.resetAll();
  tell({ kind: 'drained' });
}

setInterval(() => tell({ kind: 'connections', count: forwarder.connections }), CONNECTIONS_REPORT_MS).unref();

port.on('message', (message: ToProxy) => {
  if (message.kind === 'listen') for (const fd of message.fds) servers.push(listen(fd));
  else if (message.kind === 'apply') forwarder.setBackends(message.plan.backends);
  else if (message.kind === 'reset') {
    forwarder.resetAll();
    tell({ kind: 'reset-done' });
  } else void drain(message.graceMs);
});
