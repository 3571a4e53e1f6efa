import { statSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { hostPort } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Kubernetes, KubernetesAnswer } from '../../ports/kubernetes.ts';
import { isServerCertificateError } from '../tls-failure.ts';
import { type KubernetesAccess, readKubeconfig } from './kubeconfig.ts';

const TIMEOUT_MS = 5000;
/** More than any answer that is asked for here; a list that has outgrown it is an error, not a full memory. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export interface KubernetesClientOptions {
  /** Read now, and again when it or a file that it names has changed. */
  kubeconfig: string;
  /** Where to connect to instead of the URL's host; the server must still prove the URL's name. Without the address that hale elects, for whoever elects it. */
  connectTo?: { host: string; port: number };
}

/** Opens nothing yet. A HaleError `kubeconfig_…` when the kubeconfig cannot be used. */
export function createKubernetesClient(options: KubernetesClientOptions): Kubernetes {
  return new KubernetesClient(options);
}

type Call = Parameters<Kubernetes['request']>;

class KubernetesClient implements Kubernetes {
  readonly #options: KubernetesClientOptions;
  #access: KubernetesAccess;
  #changed: string;
  #agent: Agent;

  constructor(options: KubernetesClientOptions) {
    this.#options = options;
    this.#access = readKubeconfig(options.kubeconfig);
    this.#changed = stampOf(this.#access.sources);
    this.#agent = newAgent(this.#access);
  }

  async request(...call: Call): Promise<KubernetesAnswer> {
    this.#refresh();
    const deadline = performance.now() + (call[2]?.timeoutMs ?? TIMEOUT_MS);
    try {
      return await this.#send(call, deadline);
    } catch (error) {
      // The server closed the kept connection just when it was used again: it has seen nothing of this, or it only read.
      if (!(error instanceof ClosedBetween) || call[0] !== 'GET') throw this.#unreachable(call, error);
      return await this.#send(call, deadline).catch((again: unknown) => {
        throw this.#unreachable(call, again);
      });
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Renewed credentials need a new connection. While their files do not fit each other, in the middle of a renewal, the old ones go on. */
  #refresh(): void {
    const changed = stampOf(this.#access.sources);
    if (changed === this.#changed) return;
    try {
      this.#access = readKubeconfig(this.#options.kubeconfig);
    } catch (error) {
      if (error instanceof HaleError) return;
      throw error;
    }
    this.#changed = changed;
    this.#agent.destroy();
    this.#agent = newAgent(this.#access);
  }

  #send([method, path, { body } = {}]: Call, deadline: number): Promise<KubernetesAnswer> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const { host, port } = this.#options.connectTo ?? this.#access;
      const req = request({
        host,
        port,
        agent: this.#agent,
        method,
        path: `${this.#access.basePath}${path}`,
        headers: this.#headers(text),
      });
      let late: Error | undefined;
      const silence = setTimeout(
        () => {
          late = new Error('no answer within the deadline');
          req.destroy(late);
        },
        Math.max(0, deadline - performance.now()),
      );
      const fail = (error: NodeJS.ErrnoException): void => {
        req.destroy();
        const closed = late === undefined && req.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        reject(closed ? new ClosedBetween(error.message, { cause: error }) : (late ?? error));
      };
      req.on('close', () => clearTimeout(silence));
      req.on('error', fail);
      req.on('response', (res) => void readAnswer(res).then(resolve, fail));
      req.end(text);
    });
  }

  #headers(body: string | undefined): Record<string, string> {
    const { host, port, token } = this.#access;
    return {
      host: hostPort(host, port),
      accept: 'application/json, */*',
      'user-agent': 'hale',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    };
  }

  #unreachable([method, path]: Call, error: unknown): HaleError {
    const { host, port, file } = this.#access;
    const { connectTo } = this.#options;
    const at = connectTo === undefined ? '' : ` at ${hostPort(connectTo.host, connectTo.port)}`;
    const { code = '', message } = error as NodeJS.ErrnoException;
    return new HaleError({
      code: 'kubernetes_unreachable',
      kind: 'world',
      message: `${method} ${path.split('?')[0]} of https://${hostPort(host, port)}${at} failed: ${message}`,
      remedy: isServerCertificateError(code)
        ? `is the certificate authority in ${file} the one that signed the API server's certificate, and does that name this host?`
        : 'does a kube-apiserver run there, and can this host reach it?',
      cause: error,
    });
  }
}

/** A kept connection was found closed. */
class ClosedBetween extends Error {}

/** All about TLS is the agent's: Node keeps a connection only for requests with the very same `checkServerIdentity`. */
export function newAgent({ host, serverName, ca, client }: KubernetesAccess): Agent {
  const proves = serverName ?? host;
  return new Agent({
    keepAlive: true,
    maxSockets: 1,
    // SNI carries no addresses (RFC 6066 section 3).
    servername: isIP(proves) === 0 ? proves : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(proves, certificate),
    ...(ca === undefined ? {} : { ca }),
    ...client,
  });
}

/** Changes when one of the files does, and when one comes or goes. */
function stampOf(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const { ino, size, mtimeMs } = statSync(file);
        return `${ino} ${size} ${mtimeMs}`;
      } catch {
        return 'unreadable';
      }
    })
    .join();
}

async function readAnswer(res: IncomingMessage): Promise<KubernetesAnswer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of res as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  const text = Buffer.concat(parts).toString();
  const isJson = res.headers['content-type']?.split(';')[0]?.trim() === 'application/json';
  return { status: res.statusCode ?? 0, body: isJson ? parseJson(text) : text };
}

/** The parser's own words would quote what it read, perhaps a Secret. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('an answer that says it is JSON is none');
  }
}
