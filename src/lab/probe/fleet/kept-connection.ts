import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, ApiConnection, type ApiTarget, RefusedStream, type RequestOptions } from './connection.ts';

/** How often what an API server puts off is sent again (k8s.io/client-go, rest/request.go). */
const MAX_RETRIES = 10;

/**
 * A client's one connection, and another when that is lost. What a server did not do is sent again, as client-go does: at once when it refused
 * the stream (RFC 9113 section 8.7), and when it says so (Retry-After) with a status 429 or 5xx (k8s.io/client-go, rest/with_retry.go).
 */
export class KeptConnection {
  readonly #target: ApiTarget;
  readonly #now: () => number;
  readonly #closed = new AbortController();
  #connection: ApiConnection | undefined;

  constructor(target: ApiTarget, now: () => number) {
    this.#target = target;
    this.#now = now;
  }

  /** That of the last request. */
  get connection(): ApiConnection | undefined {
    return this.#connection;
  }

  async request(method: 'GET' | 'POST' | 'PUT', path: string, options?: RequestOptions): Promise<Answer> {
    for (let retries = 0; ; retries++) {
      const answer = await this.#send(method, path, options);
      const { status, retryAfter } = answer;
      const isPutOff = retryAfter !== undefined && (status === 429 || status >= 500);
      if (!isPutOff || retries === MAX_RETRIES) return answer;
      await sleep(retryAfter * 1000, undefined, { signal: this.#closed.signal });
    }
  }

  /** A request that waits to be sent again is given up. */
  close(): void {
    this.#closed.abort();
    this.#connection?.close();
  }

  async #send(method: 'GET' | 'POST' | 'PUT', path: string, options?: RequestOptions): Promise<Answer> {
    try {
      return await this.#open().request(method, path, options);
    } catch (error) {
      if (!(error instanceof RefusedStream)) throw error;
      return await this.#open().request(method, path, options);
    }
  }

  #open(): ApiConnection {
    if (!this.#connection?.usable) this.#connection = new ApiConnection(this.#target, this.#now);
    return this.#connection;
  }
}
