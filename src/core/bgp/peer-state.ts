import type { Family } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import type { Capabilities } from './capability.ts';
import type { BgpPeerConfig } from './config.ts';
import { type MessageKind, messageKinds } from './frame.ts';
import type { BgpRoute, UnannouncedReason } from './route.ts';

export type FsmState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';

/** RFC 4271 section 8 for one peer: up to one connection that was made, and those that the peer made until it is clear which stays. */
export interface PeerState {
  config: BgpPeerConfig;
  /** Between ManualStart and ManualStop. */
  started: boolean;
  fsm: FsmState;
  /** When `fsm` began. */
  since: number;
  /** IdleHoldTimer: no connection is made or taken until then; Infinity when it does not run. */
  idleHoldUntil: number;
  /** How long the next one runs. */
  idleHoldMs: number;
  /** ConnectRetryTimer; Infinity when it does not run. */
  connectRetryAt: number;
  /** An attempt to connect is under way. */
  connecting: boolean;
  connections: Connection[];
  /** Undefined until it has been said for the first time. */
  routes: readonly BgpRoute[] | undefined;
  /** Adj-RIB-Out of the Established session: the announcement of each prefix, as bytes. */
  announced: ReadonlyMap<string, Uint8Array>;
  unannounced: readonly Unannounced[];
  endOfRibSent: boolean;
  /** The R bit of RFC 4724 is sent: no session has been established since this process began. */
  restarting: boolean;
  bfd: 'unknown' | 'up' | 'down';
  lastError: BgpError | undefined;
  counters: PeerCounters;
  /** State of the jitter's generator. */
  jitter: number;
}

export interface Unannounced {
  prefix: string;
  reason: UnannouncedReason;
}

/** A TCP connection to the peer on which an OPEN was sent. */
export interface Connection {
  id: number;
  /** Who made it. */
  origin: 'outgoing' | 'incoming';
  state: 'OpenSent' | 'OpenConfirm' | 'Established';
  localAddress: string;
  /** Beginning of a message. */
  rest: Uint8Array;
  /** HoldTimer and KeepaliveTimer; Infinity when they do not run. */
  holdAt: number;
  keepaliveAt: number;
  /** From the peer's OPEN on. */
  session: Session | undefined;
  /** Infinity before Established. */
  establishedAt: number;
  /** RFC 7606: one word about the peer's mistakes is enough. */
  warned: boolean;
}

/** What both OPENs together say. */
export interface Session {
  localAddress: string;
  remoteRouterId: string;
  /** 0: neither hold time nor keepalives. */
  holdTimeMs: number;
  keepaliveMs: number;
  families: readonly Family[];
  fourOctetAsn: boolean;
  /** Both sides do graceful restart (RFC 4724). */
  gracefulRestart: boolean;
  capabilities: Capabilities;
}

export interface BgpError {
  /** Who sent the NOTIFICATION. */
  notification: 'sent' | 'received' | 'none';
  code?: number;
  subcode?: number;
  /** `Cease/Administrative Shutdown: maintenance`, `TcpConnectionFails: connection reset`. */
  text: string;
}

export type MessageCounts = Record<MessageKind, number>;

export interface PeerCounters {
  sent: MessageCounts;
  received: MessageCounts;
  established: number;
  connectAttempts: number;
  accepted: number;
  /** Connections that were closed for another one to the same peer (RFC 4271 section 6.8). */
  collisions: number;
  prefixesReceived: number;
  prefixesWithdrawnByPeer: number;
  /** UPDATEs of the peer with a fault for which RFC 7606 keeps the session. */
  treatedAsWithdraw: number;
  attributesDiscarded: number;
}

/** A connection as the machine knows it; the number is its engine's, and used once. */
export interface NewConnection {
  id: number;
  localAddress: string;
}

export type PeerInput =
  | { kind: 'tick' }
  /** ManualStart. */
  | { kind: 'start' }
  /** ManualStop, with a text for the peer's operator. `restarting`: a peer that does graceful restart is not told, and keeps the routes. */
  | { kind: 'stop'; message: string; restarting: boolean }
  | { kind: 'connected'; connection: NewConnection }
  | { kind: 'connect-failed'; reason: string }
  | { kind: 'accepted'; connection: NewConnection }
  | { kind: 'received'; connection: number; bytes: Uint8Array }
  /** TcpConnectionFails. */
  | { kind: 'closed'; connection: number; reason: string }
  /** The whole set, from now on. */
  | { kind: 'routes'; routes: readonly BgpRoute[] }
  | { kind: 'bfd'; state: 'up' | 'down' };

export type PeerOutput =
  | { kind: 'connect' }
  /** The attempt under way is of no use any more. */
  | { kind: 'cancel-connect' }
  | { kind: 'send'; connection: number; bytes: Uint8Array }
  /** After what was sent on it. */
  | { kind: 'close'; connection: number }
  | { kind: 'established' }
  /** An Established session ended. */
  | { kind: 'down'; error: BgpError }
  /** A connection was not made, or ended before it was Established. */
  | { kind: 'failed'; error: BgpError }
  | { kind: 'warned'; warning: string };

/** One step under way; everything in `state` is this step's own copy. */
export interface Turn {
  readonly now: number;
  readonly state: PeerState;
  readonly outputs: PeerOutput[];
}

/** RFC 4271 section 8.1.1: IdleHoldTime of the first time, doubled each time until it is the last. */
export const IDLE_HOLD_MS = 1000;
const HOLD_TIME_MAX_S = 0xffff;

/** Idle. `seed` is any number, different for each peer. */
export function createPeer({ config, seed, now }: { config: BgpPeerConfig; seed: number; now: number }): PeerState {
  const { holdTimeMs, families } = config;
  const holdTimeS = holdTimeMs / 1000;
  assert(
    Number.isInteger(holdTimeS) && holdTimeS <= HOLD_TIME_MAX_S && (holdTimeS === 0 || holdTimeS >= 3),
    'a hold time is 0 or 3 to 65535 s',
  );
  assert(families.length > 0, 'a session is for at least one family');
  return {
    config,
    started: false,
    fsm: 'Idle',
    since: now,
    idleHoldUntil: Number.POSITIVE_INFINITY,
    idleHoldMs: IDLE_HOLD_MS,
    connectRetryAt: Number.POSITIVE_INFINITY,
    connecting: false,
    connections: [],
    routes: undefined,
    announced: new Map(),
    unannounced: [],
    endOfRibSent: false,
    restarting: config.gracefulRestart?.restarted ?? false,
    bfd: 'unknown',
    lastError: undefined,
    counters: {
      sent: noMessages(),
      received: noMessages(),
      established: 0,
      connectAttempts: 0,
      accepted: 0,
      collisions: 0,
      prefixesReceived: 0,
      prefixesWithdrawnByPeer: 0,
      treatedAsWithdraw: 0,
      attributesDiscarded: 0,
    },
    jitter: seed >>> 0,
  };
}

function noMessages(): MessageCounts {
  return Object.fromEntries(messageKinds.map((kind) => [kind, 0])) as MessageCounts;
}

export function copyOf(state: PeerState): PeerState {
  const { counters } = state;
  return {
    ...state,
    connections: state.connections.map((connection) => ({ ...connection })),
    counters: { ...counters, sent: { ...counters.sent }, received: { ...counters.received } },
  };
}

export function establishedConnection({ connections }: PeerState): Connection | undefined {
  return connections.find(({ state }) => state === 'Established');
}

/** The session furthest on, from the peer's OPEN on. */
export function currentSession({ connections }: PeerState): Session | undefined {
  return (connections.find(({ state }) => state === 'Established') ?? connections.find(({ state }) => state === 'OpenConfirm'))?.session;
}

/** RFC 4271 section 10: a timer runs for 0.75 to 1 times its value. Part of the state, so that a run replays. */
export function jittered({ state }: Turn, durationMs: number): number {
  // A Weyl sequence through a multiplicative hash.
  state.jitter = (state.jitter + 0x9e3779b9) >>> 0;
  let hash = Math.imul(state.jitter ^ (state.jitter >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return durationMs * (0.75 + ((hash ^ (hash >>> 15)) >>> 0) / 0x4_0000_0000);
}
