import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { dirname } from 'node:path';
import { HaleError } from '../base/error.ts';
import { callControl } from '../drivers/control/client.ts';
import type { AgentStatus, NodeStatus } from '../ports/control.ts';

export interface ControlHandlers {
  status(): AgentStatus | NodeStatus | null;
  /** Absent where there is nothing that could be handed over. */
  drain?(): void;
  resume?(): void;
}

/** The local control socket: HTTP over a Unix socket that only the agent's user may open. */
export async function openControl(path: string, handlers: ControlHandlers): Promise<Server> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  await refuseIfRunning(path);
  rmSync(path, { force: true });
  const server = createServer((req, res) => {
    const answer = (code: number, body: object) => res.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const route = `${req.method} ${req.url}`;
    if (route === 'GET /status') return answer(200, handlers.status() ?? {});
    const act = { 'POST /drain': handlers.drain, 'POST /resume': handlers.resume }[route];
    if (act !== undefined) return (act(), answer(202, {}));
    if (route === 'POST /drain' || route === 'POST /resume')
      return answer(409, { error: 'this machine is a node: it never holds the address' });
    return answer(404, { error: `no such request: ${route}` });
  });
  // The socket is made with the mode it keeps: nobody else can connect in between.
  const mask = process.umask(0o177);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve)).finally(() => process.umask(mask));
  return server;
}

/** Throws HaleError `agent_running` when an agent answers at the control socket. */
export async function refuseIfRunning(path: string): Promise<void> {
  // Whatever answers, also what is not understood, is somebody's.
  const alive = await callControl(path, 'GET', '/status').then(
    () => true,
    (error: unknown) => !(error instanceof HaleError && error.code === 'agent_unreachable'),
  );
  if (!alive) return;
  throw new HaleError({
    code: 'agent_running',
    kind: 'world',
    message: `another hale agent answers at ${path}`,
    remedy: 'stop it first, or ask it: hale status',
  });
}
