import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { dirname } from 'node:path';
import { HaleError } from '../base/error.ts';
import { callControl } from '../drivers/control/client.ts';
import type { AgentStatus } from '../ports/control.ts';

export interface ControlHandlers {
  status(): AgentStatus | null;
  drain(): void;
  resume(): void;
}

/** The local control socket: HTTP over a Unix socket that only the agent's user may open. */
export async function openControl(path: string, handlers: ControlHandlers): Promise<Server> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  await refuseIfAlive(path);
  rmSync(path, { force: true });
  const server = createServer((req, res) => {
    const answer = (code: number, body: object) => res.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const route = `${req.method} ${req.url}`;
    if (route === 'GET /status') return answer(200, handlers.status() ?? {});
    if (route === 'POST /drain') return (handlers.drain(), answer(202, {}));
    if (route === 'POST /resume') return (handlers.resume(), answer(202, {}));
    return answer(404, { error: `no such request: ${route}` });
  });
  // The socket is made with the mode it keeps: nobody else can connect in between.
  const mask = process.umask(0o177);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve)).finally(() => process.umask(mask));
  return server;
}

async function refuseIfAlive(path: string): Promise<void> {
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
