import { constants } from 'node:os';
import type { BackendState } from '../../core/balancer/health.ts';
import { chooseBackend, type DatapathPlan } from '../../core/balancer/plan.ts';
import { type Epoll, EPOLLOUT, type Watched } from '../linux/epoll.ts';
import { Relay } from './relay.ts';
import { connectTo, reset, takeError, targetAddress } from './tcp.ts';

/** How long a backend may take to accept before the next one is tried. */
const CONNECT_TIMEOUT_MS = 1000;
const { ECONNREFUSED } = constants.errno;

interface Backend {
  name: string;
  target: Uint8Array;
  state: BackendState;
  connections: number;
}

interface Client {
  fd: number;
  /** What its backend is told before its own bytes. */
  header: Uint8Array | undefined;
  tried: Set<Backend>;
}

/** A connection to a backend under way. */
class Attempt implements Watched {
  readonly fd: number;
  readonly client: Client;
  readonly backend: Backend;
  readonly startedAt = performance.now();
  readonly #onReady: (attempt: Attempt) => void;

  constructor(options: { fd: number; client: Client; backend: Backend; onReady: (attempt: Attempt) => void }) {
    this.fd = options.fd;
    this.client = options.client;
    this.backend = options.backend;
    this.#onReady = options.onReady;
  }

  onReady(): void {
    this.#onReady(this);
  }
}

export interface ForwarderOptions {
  epoll: Epoll;
  onRefused: (backend: string) => void;
  /** Clients with and without a backend, after every change. */
  onCount: (clients: number) => void;
}

/** Finds a backend for each client, joins the two, and remembers which connection is where. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  /** In the order in which they run out of time. */
  readonly #attempts = new Set<Attempt>();
  readonly #relays = new Map<Relay, Backend>();
  #timer: NodeJS.Timeout | undefined;
  #backends: Backend[] = [];
  #last = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  get clients(): number {
    return this.#attempts.size + this.#relays.size;
  }

  /** Takes over the new states; connections of a backend that died or is gone are reset. */
  setBackends(backends: DatapathPlan['backends']): void {
    const before = new Map(this.#backends.map((backend) => [backend.name, backend]));
    this.#backends = backends.map((b) =>
      Object.assign(before.get(b.name) ?? { connections: 0 }, { name: b.name, state: b.state, target: targetAddress(b) }),
    );
    const alive = (backend: Backend) => this.#backends.includes(backend) && backend.state !== 'dead';
    for (const [relay, backend] of this.#relays) if (!alive(backend)) relay.reset();
    const hopeless = [...this.#attempts].filter((attempt) => !alive(attempt.backend));
    for (const attempt of hopeless) this.#tryAnother(attempt);
    this.#count();
  }

  resetAll(): void {
    for (const relay of this.#relays.keys()) relay.reset();
    for (const attempt of this.#attempts) {
      this.#end(attempt);
      reset(attempt.client.fd);
    }
    this.#count();
  }

  close(): void {
    this.resetAll();
    clearTimeout(this.#timer);
  }

  checkReaders(): void {
    for (const relay of this.#relays.keys()) relay.checkReader();
  }

  /** Takes over the descriptor of a client. */
  accept(fd: number, header: Uint8Array | undefined): void {
    this.#tryNext({ fd, header, tried: new Set() });
    this.#count();
  }

  /** Until a connection is under way, or no backend is left. */
  #tryNext(client: Client): void {
    for (;;) {
      const backend = chooseBackend(this.#backends, { after: this.#last, except: client.tried });
      if (backend === undefined) return reset(client.fd);
      this.#last = this.#backends.indexOf(backend);
      client.tried.add(backend);
      const fd = connectTo(backend.target);
      if (fd >= 0) return this.#begin(new Attempt({ fd, client, backend, onReady: (attempt) => this.#settle(attempt) }));
      if (-fd === ECONNREFUSED) this.#options.onRefused(backend.name);
    }
  }

  #begin(attempt: Attempt): void {
    attempt.backend.connections++;
    this.#attempts.add(attempt);
    this.#options.epoll.wait(attempt, EPOLLOUT);
    this.#timer ??= setTimeout(() => this.#giveUp(), CONNECT_TIMEOUT_MS);
  }

  #settle(attempt: Attempt): void {
    const { fd, backend } = attempt;
    const errno = takeError(fd);
    if (errno === 0) return this.#join(attempt);
    if (errno === ECONNREFUSED) this.#options.onRefused(backend.name);
    this.#tryAnother(attempt);
    this.#count();
  }

  #join(attempt: Attempt): void {
    const { fd, client, backend } = attempt;
    this.#attempts.delete(attempt);
    const relay = new Relay({
      epoll: this.#options.epoll,
      client: client.fd,
      upstream: fd,
      header: client.header,
      onEnd: () => {
        backend.connections--;
        this.#relays.delete(relay);
        this.#count();
      },
    });
    this.#relays.set(relay, backend);
  }

  #giveUp(): void {
    const now = performance.now();
    let leftMs: number | undefined;
    for (const attempt of this.#attempts) {
      leftMs = attempt.startedAt + CONNECT_TIMEOUT_MS - now;
      if (leftMs > 0) break;
      this.#tryAnother(attempt);
    }
    this.#timer = this.#attempts.size > 0 ? setTimeout(() => this.#giveUp(), leftMs) : undefined;
    this.#count();
  }

  #tryAnother(attempt: Attempt): void {
    this.#end(attempt);
    this.#tryNext(attempt.client);
  }

  #end(attempt: Attempt): void {
    this.#attempts.delete(attempt);
    attempt.backend.connections--;
    this.#options.epoll.forget(attempt.fd);
    reset(attempt.fd);
  }

  #count(): void {
    this.#options.onCount(this.clients);
  }
}
