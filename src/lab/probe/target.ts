/** What both kinds of client traffic have in common: where it goes, how the server proves itself, what it is asked. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { ProbeOptions } from './options.ts';

/** Whether the API server itself answers: without its etcd it is not ready, and a matter for the balancer. */
export const LIVEZ = '/livez?exclude=etcd';

export interface Target {
  /** For `https.request`; the secure context is shared, because building one costs more than a handshake. */
  tls: { host: string; port: number; servername: string; secureContext: SecureContext };
}

export function targetOf(options: ProbeOptions): Target {
  const secureContext = createSecureContext({ ca: readFileSync(options.caFile) });
  return { tls: { host: options.address, port: options.port, servername: options.serverName, secureContext } };
}

/** Which API server answered: as the stand-in says, or by the first name in the certificate of a real one, which is its host's. To be asked before the whole answer is read: then the connection is no longer the answer's. */
export function serverOf(response: IncomingMessage): { server?: string } {
  const header = response.headers['x-hale-server'];
  if (typeof header === 'string') return { server: header };
  return certifiedHost(response.socket as TLSSocket);
}

/** The host of a real API server, by its certificate. */
export function certifiedHost(socket: TLSSocket): { server?: string } {
  const { subjectaltname } = socket.getPeerCertificate();
  const name = /^DNS:([^,]+)/.exec(subjectaltname ?? '')?.[1];
  return name === undefined ? {} : { server: name };
}

export function reasonOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
