import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { assert } from '../../base/assert.ts';
import { describeFailure, type EtcdFailure, toHaleError } from './failure.ts';
import { Cluster, KV, Maintenance, Watch } from './gen/rpc_pb.ts';

export interface EtcdTls {
  caPem: string;
  certPem: string;
  keyPem: string;
}

export interface Endpoint {
  url: string;
  session: Http2SessionManager;
  kv: Client<typeof KV>;
  watch: Client<typeof Watch>;
  cluster: Client<typeof Cluster>;
  maintenance: Client<typeof Maintenance>;
}

/** etcd closes a connection that pings oftener than every 5 s (--grpc-keepalive-min-time) or without an open stream. */
const PING_INTERVAL_MS = 5_500;
const PING_TIMEOUT_MS = 1_000;

function openEndpoint(url: string, tls: EtcdTls): Endpoint {
  const session = new Http2SessionManager(
    url,
    { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS },
    { ca: tls.caPem, cert: tls.certPem, key: tls.keyPem },
  );
  const transport = createGrpcTransport({ baseUrl: url, sessionManager: session });
  return {
    url,
    session,
    kv: createClient(KV, transport),
    watch: createClient(Watch, transport),
    cluster: createClient(Cluster, transport),
    maintenance: createClient(Maintenance, transport),
  };
}

export interface CallOptions {
  /** For the error message. */
  operation: string;
  access: 'read' | 'write';
}

type Attempt<T> = (endpoint: Endpoint, options: { timeoutMs: number }) => Promise<T>;

/** Connections to the members, one of them preferred until it fails. */
export class Endpoints {
  readonly #byUrl = new Map<string, Endpoint>();
  readonly #urls: readonly string[];
  readonly #tls: EtcdTls;
  readonly timeoutMs: number;
  #preferred = 0;
  #closed = false;

  constructor(options: { urls: readonly string[]; tls: EtcdTls; timeoutMs: number }) {
    assert(options.urls.length > 0, 'an etcd client has at least one endpoint');
    this.#urls = options.urls.map((url) => new URL(url).origin);
    this.#tls = options.tls;
    this.timeoutMs = options.timeoutMs;
  }

  get size(): number {
    return this.#urls.length;
  }

  get preferred(): Endpoint {
    return this.#endpoint(this.#urls[this.#preferred] as string);
  }

  #endpoint(url: string): Endpoint {
    assert(!this.#closed, 'a closed etcd client is not used');
    const known = this.#byUrl.get(url);
    if (known !== undefined) return known;
    const endpoint = openEndpoint(url, this.#tls);
    this.#byUrl.set(url, endpoint);
    return endpoint;
  }

  /** Asks the preferred endpoint, then the others as far as the failure allows, all within `timeoutMs`. */
  async call<T>(options: CallOptions, attempt: Attempt<T>): Promise<T> {
    const deadlineMs = performance.now() + this.timeoutMs;
    const failures: EtcdFailure[] = [];
    for (;;) {
      const endpoint = this.preferred;
      const leftMs = deadlineMs - performance.now();
      const last = failures.length + 1 >= this.size;
      // A write that got no answer is not sent twice, so it may use all the time; a read leaves half for the others.
      const shareMs = last || options.access === 'write' ? leftMs : leftMs / 2;
      try {
        // Whole milliseconds: etcd answers a fraction in grpc-timeout with HTTP 500.
        return await attempt(endpoint, { timeoutMs: Math.max(1, Math.ceil(shareMs)) });
      } catch (error) {
        const failure = this.fail(endpoint, error);
        failures.push(failure);
        const allowed = failure.retry === 'all' || (failure.retry === 'reads' && options.access === 'read');
        if (last || !allowed || performance.now() >= deadlineMs) throw toHaleError(options.operation, failures);
      }
    }
  }

  /** Asks this endpoint only. */
  async callAt<T>(url: string, operation: string, attempt: Attempt<T>): Promise<T> {
    const endpoint = this.#endpoint(new URL(url).origin);
    try {
      return await attempt(endpoint, { timeoutMs: this.timeoutMs });
    } catch (error) {
      throw toHaleError(operation, [this.fail(endpoint, error)]);
    }
  }

  /** Notes a failure at `endpoint`: unless etcd itself decided, the next call prefers another. */
  fail(endpoint: Endpoint, error: unknown): EtcdFailure {
    if (this.#closed) return { endpoint: endpoint.url, code: 'etcd_closed', reason: 'the client was closed', retry: 'none', cause: error };
    const failure = describeFailure(endpoint.url, error);
    // Left alone, a connection that never came up would be waited for by every later call.
    if (endpoint.session.state() === 'connecting') endpoint.session.abort();
    if (failure.retry !== 'none' && this.#urls[this.#preferred] === endpoint.url) this.#preferred = (this.#preferred + 1) % this.size;
    return failure;
  }

  close(): void {
    this.#closed = true;
    for (const endpoint of this.#byUrl.values()) endpoint.session.abort();
  }
}
