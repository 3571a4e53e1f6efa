import { splitFrames, type Frame } from '../../core/bgp/frame.ts';
import { isInternal, type BgpPeerConfig } from '../../core/bgp/config.ts';
import { decodeOpen } from '../../core/bgp/open.ts';
import { decodeUpdate } from '../../core/bgp/update.ts';
import type { PathAttributes } from '../../core/bgp/attributes.ts';
import type { BgpConnection, BgpTransport } from '../../ports/bgp.ts';

/** A connection as somebody reads it who only sees the bytes at one end. */
export interface Tapped {
  remote: string;
  isOpen: boolean;
  /** This end has answered the OPEN of the other with a KEEPALIVE: OpenConfirm or Established. */
  isConfirmed: boolean;
  receivedAt: number;
  /** What the other end has announced, with its attributes. */
  routes: Map<string, PathAttributes>;
  endsOfRib: number;
}

/** All connections of a host, each with the routes that came on it. */
export class Tap {
  readonly #configOf: (remote: string) => BgpPeerConfig;
  readonly #now: () => number;
  readonly connections = new Set<Tapped>();

  constructor(options: { configOf: (remote: string) => BgpPeerConfig; now: () => number }) {
    this.#configOf = options.configOf;
    this.#now = options.now;
  }

  /** The same transport, watched. */
  of(transport: BgpTransport): BgpTransport {
    return {
      connect: (peer, handlers) =>
        transport.connect(peer, { onConnected: (given) => handlers.onConnected(this.#watch(given)), onFailed: handlers.onFailed }),
      onAccepted: (handler) => transport.onAccepted((peer, given) => handler(peer, this.#watch(given))),
      close: () => transport.close(),
    };
  }

  #watch(connection: BgpConnection): BgpConnection {
    const tapped: Tapped = {
      remote: connection.remoteAddress,
      isOpen: true,
      isConfirmed: false,
      receivedAt: this.#now(),
      routes: new Map(),
      endsOfRib: 0,
    };
    this.connections.add(tapped);
    const end = () => {
      tapped.isOpen = false;
      this.connections.delete(tapped);
    };
    const reader = new Reader(tapped, this.#configOf(tapped.remote));
    return {
      localAddress: connection.localAddress,
      remoteAddress: connection.remoteAddress,
      send: (bytes) => {
        // A sent message comes whole.
        if (bytes[18] === KEEPALIVE) tapped.isConfirmed = true;
        connection.send(bytes);
      },
      onReceived: (handler) =>
        connection.onReceived((bytes) => {
          tapped.receivedAt = this.#now();
          reader.read(bytes);
          handler(bytes);
        }),
      onClosed: (handler) =>
        connection.onClosed((reason) => {
          end();
          handler(reason);
        }),
      close: () => {
        end();
        connection.close();
      },
    };
  }
}

const KEEPALIVE = 4;

/** Keeps the table of one connection. */
class Reader {
  readonly #tapped: Tapped;
  readonly #config: BgpPeerConfig;
  #rest: Uint8Array = new Uint8Array(0);
  #fourOctetAsn = false;

  constructor(tapped: Tapped, config: BgpPeerConfig) {
    this.#tapped = tapped;
    this.#config = config;
  }

  read(bytes: Uint8Array): void {
    const { frames, rest } = splitFrames(this.#rest, bytes);
    this.#rest = rest;
    for (const frame of frames) this.#take(frame);
  }

  #take({ kind, body }: Frame): void {
    if (kind === 'open') {
      const open = decodeOpen(body);
      this.#fourOctetAsn = open.ok && open.value.capabilities.fourOctetAsn !== undefined;
    }
    if (kind !== 'update') return;
    const decoded = decodeUpdate(body, { fourOctetAsn: this.#fourOctetAsn, internal: isInternal(this.#config) });
    if (!decoded.ok) return;
    const { withdrawn, announced, attributes } = decoded.update;
    const reached = [...announced, ...(attributes.mpReach?.prefixes ?? [])];
    const gone = [...withdrawn, ...(attributes.mpUnreach?.prefixes ?? [])];
    for (const prefix of gone) this.#tapped.routes.delete(prefix);
    for (const prefix of reached) this.#tapped.routes.set(prefix, attributes);
    if (reached.length + gone.length === 0) this.#tapped.endsOfRib++;
  }
}
