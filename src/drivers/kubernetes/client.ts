import { statSync } from 'node:fs';
import { Agent, request, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { hostPort } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Kubernetes, KubernetesAnswer, KubernetesWatch, KubernetesWatchEnd } from '../../ports/kubernetes.ts';
import { isServerCertificateError } from '../tls-failure.ts';
import { readAnswer } from './answer.ts';
import { type KubernetesAccess, readKubeconfig } from './kubeconfig.ts';
import { openWatch } from './watch-stream.ts';

const TIMEOUT_MS = 5000;

export interface KubernetesClientOptions {
  /** Read now, and again when it or a file that it names has changed. */
  kubeconfig: string;
  /** Where to connect to instead of the URL's host; the server must still prove the URL's name. Without the address that hale elects, for whoever elects it. */
  connectTo?: { host: string; port: number };
  /** Requests that are under way at the same time, each on a connection of its own; more wait. Default 1. */
  maxSockets?: number;
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
  /** How to end what is under way: requests, those that wait for a connection, and watches. */
  readonly #running = new Set<() => void>();
  #isClosed = false;

  constructor(options: KubernetesClientOptions) {
    this.#options = options;
    this.#access = readKubeconfig(options.kubeconfig);
    this.#changed = stampOf(this.#access.sources);
    this.#agent = newAgent(this.#access, options.maxSockets);
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

  async watch(path: string, watch: KubernetesWatch): Promise<KubernetesWatchEnd> {
    this.#refresh();
    const ended = new AbortController();
    const end = () => ended.abort();
    this.#running.add(end);
    watch.signal.addEventListener('abort', end);
    if (watch.signal.aborted || this.#isClosed) end();
    try {
      // With credentials of its beginning until its end, which `timeoutSeconds` of its path keeps near.
      return await openWatch({ ...this.#place('GET', path), ...tlsOf(this.#access) }, { ...watch, signal: ended.signal });
    } catch (error) {
      return { kind: 'failed', reason: this.#unreachable(['GET', path], error).message };
    } finally {
      this.#running.delete(end);
      watch.signal.removeEventListener('abort', end);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const end of this.#running) end();
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
    retire(this.#agent);
    this.#agent = newAgent(this.#access, this.#options.maxSockets);
  }

  #send([method, path, { body, signal } = {}]: Call, deadline: number): Promise<KubernetesAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<KubernetesAnswer>();
    const text = body === undefined ? undefined : JSON.stringify(body);
    const agent = this.#agent;
    const req = request({ ...this.#place(method, path, text), agent });
    // The first failure counts. Node tells a request that waits for a connection of its end only when it gets one.
    const fail = (error: NodeJS.ErrnoException): void => {
      req.destroy();
      const closed = req.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(closed ? new ClosedBetween(error.message, { cause: error }) : error);
    };
    const close = () => fail(new Error('the client was closed'));
    const stop = () => fail(new Error('nobody waits for the answer any more'));
    const silence = setTimeout(() => fail(new Error('no answer within the deadline')), Math.max(0, deadline - performance.now()));
    this.#running.add(close);
    signal?.addEventListener('abort', stop);
    req.on('error', fail);
    req.on('response', (res) => void readAnswer(res).then(resolve, fail));
    // One that waited for a connection has got one that nobody needs.
    req.on('close', () => this.#isClosed && agent.destroy());
    req.end(text);
    if (this.#isClosed) close();
    if (signal?.aborted === true) stop();
    return promise.finally(() => {
      clearTimeout(silence);
      this.#running.delete(close);
      signal?.removeEventListener('abort', stop);
    });
  }

  #place(method: Call[0], path: string, body?: string): RequestOptions {
    const { host, port, token, basePath } = this.#access;
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return {
      ...(this.#options.connectTo ?? { host, port }),
      method,
      path: `${basePath}${path}`,
      headers: {
        host: hostPort(host, port),
        accept: 'application/json, */*',
        'user-agent': 'hale',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }),
      },
    };
  }

  #unreachable([method, path]: readonly [Call[0], string, ...unknown[]], error: unknown): HaleError {
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
export function newAgent(access: KubernetesAccess, maxSockets = 1): Agent {
  return new Agent({ keepAlive: true, maxSockets, ...tlsOf(access) });
}

/** Its connections end with what is under way on them. */
function retire(agent: Agent): void {
  agent.maxFreeSockets = 0;
  for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
}

function tlsOf({ host, serverName, ca, client }: KubernetesAccess): ConnectionOptions {
  const proves = serverName ?? host;
  return {
    // SNI carries no addresses (RFC 6066 section 3).
    servername: isIP(proves) === 0 ? proves : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(proves, certificate),
    ...(ca === undefined ? {} : { ca }),
    ...client,
  };
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
