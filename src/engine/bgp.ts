import type { Family } from '../base/address.ts';
import { createRandom } from '../base/random.ts';
import { offeredFamilies } from '../core/bgp/capability.ts';
import type { BgpPeerConfig } from '../core/bgp/config.ts';
import { bgpPeer } from '../core/bgp/peer.ts';
import {
  type BgpError,
  createPeer,
  currentSession,
  type FsmState,
  type PeerCounters,
  type PeerInput,
  type PeerOutput,
  type PeerState,
  type Session,
  type Unannounced,
} from '../core/bgp/peer-state.ts';
import type { BgpRoute } from '../core/bgp/route.ts';
import type { BgpConnection, BgpPeerAddress, BgpTransport } from '../ports/bgp.ts';
import type { Clock } from '../ports/clock.ts';
import { Waker } from './waker.ts';

export type { BgpError } from '../core/bgp/peer-state.ts';

export type BgpEvent = { peer: string } & (
  | { kind: 'established' }
  /** An Established session ended. */
  | { kind: 'down'; error: BgpError }
  /** A connection was not made, or ended before it was Established. */
  | { kind: 'failed'; error: BgpError }
  | { kind: 'warned'; warning: string }
);

export interface BgpEngineOptions {
  clock: Clock;
  transport: BgpTransport;
  /** With different addresses. */
  peers: readonly { address: BgpPeerAddress; config: BgpPeerConfig }[];
  /** Of the jitter of timers. */
  seed: number;
  onEvent: (event: BgpEvent) => void;
}

export interface BgpPeerStatus {
  address: string;
  asn: number;
  state: FsmState;
  /** Of the clock: when the state began. */
  since: number;
  /** From the peer's OPEN on. */
  session: BgpSessionStatus | undefined;
  /** Prefixes that the peer has been told. */
  announced: string[];
  /** Wanted, but not possible on this session. */
  unannounced: readonly Unannounced[];
  lastError: BgpError | undefined;
  counters: PeerCounters;
}

export interface BgpSessionStatus {
  localAddress: string;
  remoteRouterId: string;
  /** As negotiated; 0 for none. */
  holdTimeMs: number;
  keepaliveMs: number;
  /** That both sides want. */
  families: readonly Family[];
  /** The peer's. */
  capabilities: {
    families: readonly Family[];
    otherFamilies: number;
    fourOctetAsn: boolean;
    routeRefresh: boolean;
    gracefulRestart: { restarting: boolean; restartTimeS: number; families: Family[] } | undefined;
    /** Codes of others. */
    unknown: readonly number[];
  };
}

/** Speaks BGP with all peers: feeds a machine for each from clock and transport. All begin at once. */
export class BgpEngine {
  readonly #transport: BgpTransport;
  readonly #peers: Map<string, PeerDriver>;

  constructor({ clock, transport, peers, seed, onEvent }: BgpEngineOptions) {
    this.#transport = transport;
    const random = createRandom(seed);
    this.#peers = new Map(
      peers.map(({ address, config }) => [
        address.address,
        new PeerDriver({
          clock,
          transport,
          address,
          onEvent,
          state: createPeer({ config, seed: random.below(2 ** 32), now: clock.now() }),
        }),
      ]),
    );
    transport.onAccepted(({ address }, connection) => {
      const peer = this.#peers.get(address);
      if (peer === undefined) connection.close();
      else peer.accept(connection);
    });
    for (const peer of this.#peers.values()) peer.input({ kind: 'start' });
  }

  /** The whole set, from now on; each peer is sent the difference. Before it is said for the first time no End-of-RIB is sent. */
  setRoutes(routes: readonly BgpRoute[]): void {
    for (const peer of this.#peers.values()) peer.input({ kind: 'routes', routes });
  }

  /** Down, after it was up, ends the session (RFC 9384). */
  bfdChanged(peerAddress: string, state: 'up' | 'down'): void {
    this.#peers.get(peerAddress)?.input({ kind: 'bfd', state });
  }

  status(): BgpPeerStatus[] {
    return Array.from(this.#peers.values(), (peer) => peer.status());
  }

  /**
   * Cease/Administrative Shutdown to all, with the message for their operators (RFC 9003), then the connections and the transport are closed.
   * With `restarting`, peers that do graceful restart are not told, and so keep the routes (RFC 4724 section 4).
   */
  stop({ message, restarting = false }: { message: string; restarting?: boolean }): void {
    for (const peer of this.#peers.values()) peer.input({ kind: 'stop', message, restarting });
    this.#transport.close();
  }
}

interface PeerDriverOptions {
  clock: Clock;
  transport: BgpTransport;
  address: BgpPeerAddress;
  state: PeerState;
  onEvent: (event: BgpEvent) => void;
}

/** One peer's machine and its connections. */
class PeerDriver {
  readonly #options: PeerDriverOptions;
  #state: PeerState;
  readonly #waker: Waker;
  readonly #connections = new Map<number, BgpConnection>();
  #lastId = 0;
  #attempt: { cancel(): void } | undefined;
  /** Inputs that came while one was carried out: whoever hears of an event may want other routes at once. */
  readonly #waiting: PeerInput[] = [];
  #isBusy = false;

  constructor(options: PeerDriverOptions) {
    this.#options = options;
    this.#state = options.state;
    this.#waker = new Waker(options.clock, () => this.input({ kind: 'tick' }));
  }

  input(input: PeerInput): void {
    this.#waiting.push(input);
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#step(next);
    this.#isBusy = false;
  }

  accept(connection: BgpConnection): void {
    this.input({ kind: 'accepted', connection: this.#adopt(connection) });
  }

  status(): BgpPeerStatus {
    const { config, fsm, since, announced, unannounced, lastError, counters } = this.#state;
    const session = currentSession(this.#state);
    return {
      address: this.#options.address.address,
      asn: config.remoteAsn,
      state: fsm,
      since,
      session: session && sessionStatus(session),
      announced: [...announced.keys()],
      unannounced,
      lastError,
      counters,
    };
  }

  #step(input: PeerInput): void {
    const { state, outputs } = bgpPeer.step(this.#state, input, this.#options.clock.now());
    this.#state = state;
    this.#waker.arm(bgpPeer.wakeAt(state));
    for (const output of outputs) this.#carryOut(output);
  }

  #carryOut(output: PeerOutput): void {
    switch (output.kind) {
      case 'connect':
        return this.#connect();
      case 'cancel-connect':
        this.#attempt?.cancel();
        this.#attempt = undefined;
        return;
      case 'send':
        return this.#connections.get(output.connection)?.send(output.bytes);
      case 'close': {
        const connection = this.#connections.get(output.connection);
        this.#connections.delete(output.connection);
        return connection?.close();
      }
      default:
        return this.#options.onEvent({ peer: this.#options.address.address, ...output });
    }
  }

  #connect(): void {
    const { transport, address } = this.#options;
    this.#attempt = transport.connect(address, {
      onConnected: (connection) => {
        this.#attempt = undefined;
        this.input({ kind: 'connected', connection: this.#adopt(connection) });
      },
      onFailed: (reason) => {
        this.#attempt = undefined;
        this.input({ kind: 'connect-failed', reason });
      },
    });
  }

  #adopt(connection: BgpConnection): { id: number; localAddress: string } {
    const id = ++this.#lastId;
    this.#connections.set(id, connection);
    // The machine ignores what is said of connections that it has ended.
    connection.onReceived((bytes) => this.input({ kind: 'received', connection: id, bytes }));
    connection.onClosed((reason) => {
      this.#connections.delete(id);
      this.input({ kind: 'closed', connection: id, reason });
    });
    return { id, localAddress: connection.localAddress };
  }
}

function sessionStatus({ localAddress, remoteRouterId, holdTimeMs, keepaliveMs, families, capabilities }: Session): BgpSessionStatus {
  const { otherFamilies, routeRefresh, fourOctetAsn, gracefulRestart, unknown } = capabilities;
  return {
    localAddress,
    remoteRouterId,
    holdTimeMs,
    keepaliveMs,
    families,
    capabilities: {
      families: offeredFamilies(capabilities),
      otherFamilies,
      fourOctetAsn: fourOctetAsn !== undefined,
      routeRefresh,
      gracefulRestart: gracefulRestart && {
        restarting: gracefulRestart.restarting,
        restartTimeS: gracefulRestart.restartTimeS,
        families: gracefulRestart.families.map(({ family }) => family),
      },
      unknown,
    },
  };
}
