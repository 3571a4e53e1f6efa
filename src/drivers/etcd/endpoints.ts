import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { assert } from '../../base/assert.ts';
import { HaleError } from '../../base/error.ts';
import { describeFailure, type EtcdFailure, toHaleError } from './failure.ts';
import { Cluster, KV, Lease, Maintenance, Watch } from './gen/rpc_pb.ts';
import { Sessions } from './sessions.ts';

export interface EtcdTls {
  caPem: string;
  certPem: string;
  keyPem: string;
}

export interface Endpoint {
  url: string;
  session: Sessions;
  kv: Client<typeof KV>;
  watch: Client<typeof Watch>;
  lease: Client<typeof Lease>;
  cluster: Client<typeof Cluster>;
  maintenance: Client<typeof Maintenance>;
}

function openEndpoint(url: string, secureContext: SecureContext): Endpoint {
  const session = new Sessions(url, { secureContext });
  const transport = createGrpcTransport({ baseUrl: url, sessionManager: session });
  return {
    url,
    session,
    kv: createClient(KV, transport),
    watch: createClient(Watch, transport),
    lease: createClient(Lease, transport),
    cluster: createClient(Cluster, transport),
    maintenance: createClient(Maintenance, transport),
  };
}

function secureContextOf({ caPem, certPem, keyPem }: EtcdTls): SecureContext {
  try {
    return createSecureContext({ ca: caPem, cert: certPem, key: keyPem });
  } catch (error) {
    throw new HaleError({
      code: 'etcd_credentials_unusable',
      kind: 'world',
      message: `authority, certificate and key for etcd do not go together: ${(error as Error).message}`,
      remedy: 'check that each of the three files is PEM, and that the key is that of the certificate',
      cause: error,
    });
  }
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
  #urls: readonly string[] = [];
  /** Made once: to read authority and key anew for each member takes as long as its handshake. */
  #secureContext: SecureContext | undefined;
  readonly tls: EtcdTls;
  readonly timeoutMs: number;
  #preferred = 0;
  readonly #closing = new AbortController();

  constructor(options: { urls: readonly string[]; tls: EtcdTls; timeoutMs: number }) {
    this.use(options.urls);
    this.tls = options.tls;
    this.timeoutMs = options.timeoutMs;
  }

  /** In place of those before; the one that was preferred stays so if it is among them. */
  use(urls: readonly string[]): void {
    assert(urls.length > 0, 'an etcd client has at least one endpoint');
    const preferred = this.#urls[this.#preferred];
    this.#urls = urls.map((url) => new URL(url).origin);
    this.#preferred = Math.max(0, this.#urls.indexOf(preferred ?? ''));
  }

  get size(): number {
    return this.#urls.length;
  }

  /** Aborts when the client is closed, for what has a connection of its own. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get secureContext(): SecureContext {
    this.#secureContext ??= secureContextOf(this.tls);
    return this.#secureContext;
  }

  get preferred(): Endpoint {
    return this.#endpoint(this.#urls[this.#preferred] as string);
  }

  #endpoint(url: string): Endpoint {
    assert(!this.#closed, 'a closed etcd client is not used');
    const known = this.#byUrl.get(url);
    if (known !== undefined) return known;
    const endpoint = openEndpoint(url, this.secureContext);
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

  /** A member by its URL, which need not be one of those that the client was made with. */
  at(url: string): Endpoint {
    return this.#endpoint(new URL(url).origin);
  }

  /** Asks this endpoint only. */
  async callAt<T>(url: string, operation: string, attempt: Attempt<T>): Promise<T> {
    const endpoint = this.at(url);
    try {
      return await attempt(endpoint, { timeoutMs: this.timeoutMs });
    } catch (error) {
      throw toHaleError(operation, [this.fail(endpoint, error)]);
    }
  }

  /** Notes a failure at `endpoint`: unless etcd itself decided, the next call prefers another. */
  fail(endpoint: Endpoint, error: unknown): EtcdFailure {
    const failure = this.describe(endpoint, error);
    // Left alone, a connection that never came up would be waited for by every later call.
    endpoint.session.giveUpOpening();
    if (failure.retry !== 'none' && this.#urls[this.#preferred] === endpoint.url) this.#preferred = (this.#preferred + 1) % this.size;
    return failure;
  }

  /** Why a call at `endpoint` failed. */
  describe({ url }: Endpoint, error: unknown): EtcdFailure {
    if (this.#closed) return { endpoint: url, code: 'etcd_closed', reason: 'the client was closed', retry: 'none', cause: error };
    const failure = describeFailure(url, error);
    if (failure.code !== 'etcd_certificate_refused') return failure;
    const { validToDate } = new X509Certificate(this.tls.certPem);
    return validToDate.getTime() > Date.now()
      ? failure
      : { ...failure, reason: `${failure.reason}, which expired on ${validToDate.toISOString()}` };
  }

  close(): void {
    this.#closing.abort();
    for (const endpoint of this.#byUrl.values()) endpoint.session.abort();
  }
}
