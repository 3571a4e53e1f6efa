import { readFileSync, statSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { judgeReadiness } from '../../core/apiserver/readyz.ts';
import type { ProbeResult } from '../../core/balancer/health.ts';
import type { Target } from '../../core/balancer/plan.ts';
import type { ReadinessProbe } from '../../ports/readiness.ts';
import { isServerCertificateError } from '../tls-failure.ts';

/** Longest part of an answer that is looked at: a kube-apiserver that fails lists all its checks, about 2000 characters. */
const ANSWER_CHARS_MAX = 16_384;
/** A CA file that was read is looked at again after this long. */
const CA_RECHECK_MS = 5000;
/** What a kept connection proves of the certificate is as old as itself; clients that come anew see the one that is served now. */
const RECONNECT_MS = 10_000;

interface Kept {
  agent: Agent;
  sinceMs: number;
}

/**
 * GET /readyz of a kube-apiserver over HTTPS, verified against the cluster's CA (kubernetes.io: "Kubernetes API health endpoints").
 * One connection is kept open to each, so that a crash is heard as a closed connection and not only at the next probe; every 10 s it is made anew,
 * without resuming a TLS session, so that a certificate that was replaced or has expired is seen.
 */
export class HttpsReadiness implements ReadinessProbe {
  readonly #caFile: string;
  readonly #kept = new Map<string, Kept>();
  #caCheckedAt = 0;
  #ca: { mtimeMs: number; pem: string } | undefined;
  /** Connections that this side closed. */
  readonly #givenUp = new WeakSet<Socket>();
  #onDisconnect: (target: string) => void = () => {};
  #closed = false;

  constructor(options: { caFile: string }) {
    this.#caFile = options.caFile;
  }

  onDisconnect(handler: (target: string) => void): void {
    this.#onDisconnect = handler;
  }

  close(): void {
    this.#closed = true;
    for (const { agent } of this.#kept.values()) agent.destroy();
  }

  async probe(target: Target, timeoutMs: number): Promise<ProbeResult> {
    const ca = this.#readCa();
    if (typeof ca !== 'string') return ca;
    return new Promise((settle) => {
      const { address: host, port } = target;
      const silence = setTimeout(() => {
        const { socket } = req;
        if (socket !== null) this.#givenUp.add(socket);
        const accepted = socket !== null && !socket.connecting;
        resolve(
          accepted
            ? { outcome: 'silent', reason: `it takes connections, and does not answer within ${timeoutMs} ms` }
            : { outcome: 'unreachable', reason: `no connection within ${timeoutMs} ms` },
        );
        req.destroy();
      }, timeoutMs);
      const resolve = (result: ProbeResult) => {
        clearTimeout(silence);
        settle(result);
      };
      const req = request({ host, port, path: '/readyz', agent: this.#agent(target), ca }, (res) => {
        let body = '';
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => {
          if (body.length < ANSWER_CHARS_MAX) body += chunk;
        });
        res.on('end', () => resolve(judgeReadiness(res.statusCode ?? 0, body)));
        res.on('error', (error) => resolve(failure(error)));
      });
      req.on('error', (error) => resolve(failure(error)));
      req.on('socket', (socket) => {
        if (!req.reusedSocket) this.#watch(socket, target.name);
      });
      req.end();
    });
  }

  reaches({ address: host, port }: Target, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect({ host, port });
      const settle = (reached: boolean) => {
        clearTimeout(timer);
        socket.destroy();
        resolve(reached);
      };
      const timer = setTimeout(() => settle(false), timeoutMs);
      socket.once('connect', () => settle(true));
      socket.once('error', ({ code }: NodeJS.ErrnoException) => settle(code === 'ECONNREFUSED'));
    });
  }

  /** The CA may not exist yet while a cluster is being made, and may be replaced later. */
  #readCa(): string | ProbeResult {
    const now = performance.now();
    if (this.#ca !== undefined && now - this.#caCheckedAt < CA_RECHECK_MS) return this.#ca.pem;
    this.#caCheckedAt = now;
    try {
      const { mtimeMs } = statSync(this.#caFile);
      if (this.#ca?.mtimeMs !== mtimeMs) {
        this.#ca = { mtimeMs, pem: readFileSync(this.#caFile, 'utf8') };
        for (const { agent } of this.#kept.values()) this.#giveUp(agent);
        this.#kept.clear();
      }
      return this.#ca.pem;
    } catch (error) {
      return { outcome: 'unreachable', reason: `CA of the apiservers cannot be read: ${(error as Error).message}` };
    }
  }

  #agent({ name }: Target): Agent {
    const now = performance.now();
    const kept = this.#kept.get(name);
    if (kept !== undefined && now - kept.sinceMs < RECONNECT_MS) return kept.agent;
    if (kept !== undefined) this.#giveUp(kept.agent);
    // A resumed session would vouch for the certificate of the first (RFC 8446 section 2.2).
    const agent = new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
    this.#kept.set(name, { agent, sinceMs: now });
    return agent;
  }

  #giveUp(agent: Agent): void {
    for (const socket of Object.values(agent.freeSockets).flat()) if (socket !== undefined) this.#givenUp.add(socket);
    agent.destroy();
  }

  /** Says when the apiserver's side closes a connection that has served an answer. Killed, it says no close_notify, and TLS then tells no more than that it is closed. */
  #watch(socket: Socket, name: string): void {
    socket.once('free', () =>
      socket.once('close', () => {
        if (!this.#closed && !this.#givenUp.has(socket)) this.#onDisconnect(name);
      }),
    );
  }
}

function failure(error: NodeJS.ErrnoException): ProbeResult {
  if (error.code === 'ECONNREFUSED') return { outcome: 'refused', reason: 'connection refused' };
  if (error.code === 'ECONNRESET') return { outcome: 'reset', reason: 'the connection was reset' };
  // It runs, and serves those that are connected: only for new clients it is no good.
  if (isServerCertificateError(error.code ?? '')) return { outcome: 'not-ready', reason: `its certificate is refused: ${error.message}` };
  return { outcome: 'unreachable', reason: error.message };
}
