import { request } from 'node:http';
import { HaleError } from '../../base/error.ts';

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
      res.on('end', () => resolve(JSON.parse(body)));
      res.on('error', fail);
    });
    req.on('error', fail).end();
  });
}
