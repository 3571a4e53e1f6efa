import { type Answer, ApiConnection, type ApiTarget, RefusedStream, type RequestOptions } from './connection.ts';

/** A client's one connection, and another when that is lost. What a server refused without looking at it is sent once more, as Go's HTTP/2 does (RFC 9113 section 8.7). */
export class KeptConnection {
  readonly #target: ApiTarget;
  readonly #now: () => number;
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
    try {
      return await this.#open().request(method, path, options);
    } catch (error) {
      if (!(error instanceof RefusedStream)) throw error;
      return await this.#open().request(method, path, options);
    }
  }

  close(): void {
    this.#connection?.close();
  }

  #open(): ApiConnection {
    if (!this.#connection?.usable) this.#connection = new ApiConnection(this.#target, this.#now);
    return this.#connection;
  }
}
