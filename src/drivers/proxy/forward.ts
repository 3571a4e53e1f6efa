import { connect, type Socket } from 'node:net';
import { chooseBackend } from '../../core/balancer/plan.ts';
import type { BackendState } from '../../core/balancer/health.ts';

/** How long a backend may take to accept before the next one is tried. */
const CONNECT_TIMEOUT_MS = 1000;
/** An idle connection is probed by TCP after this long, so that a vanished client does not stay for ever. */
const KEEPALIVE_DELAY_MS = 15_000;

export interface Backend {
  name: string;
  address: string;
  port: number;
  state: BackendState;
  connections: number;
}

export interface Forwarded {
  client: Socket;
  upstream: Socket;
  backend: Backend;
}

export interface ForwarderOptions {
  onRefused: (backend: string) => void;
}

/** Joins clients to backends, byte for byte, and remembers which connection is where. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #open = new Set<Forwarded>();
  #backends: Backend[] = [];
  #last = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#open.size;
  }

  /** Takes over the new states; connections of a backend that died or is gone are reset. */
  setBackends(backends: readonly Omit<Backend, 'connections'>[]): void {
    const before = new Map(this.#backends.map((backend) => [backend.name, backend]));
    this.#backends = backends.map((b) => Object.assign(before.get(b.name) ?? { ...b, connections: 0 }, b));
    for (const forwarded of this.#open) {
      const alive = this.#backends.includes(forwarded.backend) && forwarded.backend.state !== 'dead';
      if (!alive) reset(forwarded);
    }
  }

  resetAll(): void {
    for (const forwarded of this.#open) reset(forwarded);
  }

  accept(client: Socket): void {
    client.setNoDelay(true);
    client.setKeepAlive(true, KEEPALIVE_DELAY_MS);
    client.on('error', () => client.destroy());
    this.#tryNext(client, new Set());
  }

  #tryNext(client: Socket, tried: Set<Backend>): void {
    const backend = client.destroyed ? undefined : chooseBackend(this.#backends, { after: this.#last, except: tried });
    if (backend === undefined) {
      client.resetAndDestroy();
      return;
    }
    this.#last = this.#backends.indexOf(backend);
    tried.add(backend);
    backend.connections++;
    const upstream = connect({ host: backend.address, port: backend.port, allowHalfOpen: true, noDelay: true });
    const timer = setTimeout(() => upstream.destroy(new Error('connect timed out')), CONNECT_TIMEOUT_MS);
    upstream.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ECONNREFUSED') this.#options.onRefused(backend.name);
    });
    const failed = () => {
      backend.connections--;
      this.#tryNext(client, tried);
    };
    upstream.once('close', failed);
    upstream.once('connect', () => {
      clearTimeout(timer);
      upstream.off('close', failed);
      this.#join({ client, upstream, backend });
    });
  }

  #join(forwarded: Forwarded): void {
    const { client, upstream, backend } = forwarded;
    upstream.setKeepAlive(true, KEEPALIVE_DELAY_MS);
    this.#open.add(forwarded);
    upstream.on('error', () => resetSocket(client));
    client.on('error', () => resetSocket(upstream));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => {
      backend.connections--;
      this.#open.delete(forwarded);
      client.destroySoon();
    });
    if (client.destroyed) upstream.destroy();
    client.pipe(upstream);
    upstream.pipe(client);
  }
}

function reset(forwarded: Forwarded): void {
  resetSocket(forwarded.client);
  resetSocket(forwarded.upstream);
}

/** A socket that has sent its end already is destroyed: resetting it left libuv with a handle that never closed, and a dying thread spinning. */
function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
