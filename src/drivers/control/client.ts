import { request } from 'node:http';
import { HaleError } from '../../base/error.ts';
import type { AgentStatus, NodeStatus } from '../../ports/control.ts';
import { parseAnswer, readAgentStatus, readAnyStatus } from './answer.ts';

/** Asks the agent behind a control socket. */
export function callControl(path: string, method: 'GET' | 'POST', url: string, timeoutMs = 2000): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) =>
      reject(
        new HaleError({
          code: 'agent_unreachable',
          kind: 'world',
          message: `no hale agent answers at ${path}: ${error.code ?? error.message}`,
          remedy: error.code === 'EACCES' ? 'run this as the user of the agent (root)' : 'is it running? see: systemctl status hale-agent',
          cause: error,
        }),
      );
    const req = request({ socketPath: path, method, path: url, signal: AbortSignal.timeout(timeoutMs) }, (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      res.on('end', () => {
        try {
          resolve(parseAnswer(path, { status: res.statusCode ?? 0, body }));
        } catch (error) {
          reject(error as Error);
        }
      });
      res.on('error', fail);
    });
    req.on('error', fail).end();
  });
}

/** Of the agent of a control-plane host. Undefined when the agent has just started and has no status yet. */
export async function askStatus(path: string): Promise<AgentStatus | undefined> {
  return readAgentStatus(path, await callControl(path, 'GET', '/status'));
}

/** The same of any machine that runs an agent. */
export async function askAnyStatus(path: string): Promise<AgentStatus | NodeStatus | undefined> {
  return readAnyStatus(path, await callControl(path, 'GET', '/status'));
}
