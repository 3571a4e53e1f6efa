/**
 * One BGP peer to which host routes are announced, and from which nothing is taken.
 *
 *            start, IdleHoldTimer expires             TCP connects (either side): OPEN is sent
 *   Idle ------------------------> Connect or Active ----------------------------------------> OpenSent
 *    ^      Connect: a connection is being made; Active: waits for ConnectRetryTimer, or the peer.  |
 *    |      TCP cannot connect: Active. ConnectRetryTimer expires: Connect, anew.                    | OPEN comes: KEEPALIVE is sent
 *    |                                                                                               v
 *    +-- stop; NOTIFICATION sent or received; TCP fails;           Established <-- KEEPALIVE -- OpenConfirm
 *        HoldTimer expires; BFD down. IdleHoldTimer runs.          routes, KEEPALIVEs
 *        (TCP that fails in OpenSent: Active)
 *
 * RFC 4271 section 8 with DampPeerOscillations, IdleHoldTimer, AllowAutomaticStart and, where configured, PassiveTcpEstablishment; sections
 * 6 (errors), 6.8 (collision of two connections), 10 (timers and jitter). RFC 4486 and 9003 (Cease), 4724 (End-of-RIB, restarting side,
 * section 5), 2918 (route refresh), 5492 and 4760 (families), 6793 (AS numbers), 6286 (identifiers), 6608 (unexpected messages), 7606
 * (UPDATEs with errors), 9384 (BFD). What is left out, and why: docs/internals/bgp.md.
 *
 * RFC 4271 gives each connection a state machine of its own until a collision is resolved; here those are `connections` of one peer, whose
 * state is that of the one furthest on. A connection attempt that fails leads to Active, as in RFC 1771, not to Idle.
 */
import { unreachable } from '../../base/assert.ts';
import type { Machine } from '../machine.ts';
import { advertise } from './advertise.ts';
import { accept, connect, end, open, retryBeside, send, stopConnecting } from './connection.ts';
import { administrativeShutdown, type Notification, notification } from './notification.ts';
import {
  type Connection,
  copyOf,
  type FsmState,
  IDLE_HOLD_MS,
  type PeerInput,
  type PeerOutput,
  type PeerState,
  type Turn,
} from './peer-state.ts';
import { receive } from './receive.ts';

export const bgpPeer: Machine<PeerState, PeerInput, PeerOutput> = {
  step(state, input, now) {
    const turn: Turn = { now, state: copyOf(state), outputs: [] };
    take(turn, input);
    // After the input: what has just come may have been what a timer waited for.
    expire(turn);
    const fsm = fsmOf(turn.state);
    if (fsm !== turn.state.fsm) Object.assign(turn.state, { fsm, since: now });
    return { state: turn.state, outputs: turn.outputs };
  },

  wakeAt({ idleHoldUntil, connectRetryAt, connections }) {
    return Math.min(idleHoldUntil, connectRetryAt, ...connections.map(({ holdAt, keepaliveAt }) => Math.min(holdAt, keepaliveAt)));
  },
};

function fsmOf({ started, connecting, connections, idleHoldUntil }: PeerState): FsmState {
  for (const state of ['Established', 'OpenConfirm', 'OpenSent'] as const) {
    if (connections.some((connection) => connection.state === state)) return state;
  }
  if (connecting) return 'Connect';
  return started && idleHoldUntil === Number.POSITIVE_INFINITY ? 'Active' : 'Idle';
}

function take(turn: Turn, input: PeerInput): void {
  const { state, outputs } = turn;
  switch (input.kind) {
    case 'tick':
      return;
    case 'start':
      if (!state.started) start(turn);
      return;
    case 'stop':
      return stop(turn, input);
    case 'connected':
      if (!state.connecting) return void outputs.push({ kind: 'close', connection: input.connection.id });
      Object.assign(state, { connecting: false, connectRetryAt: Number.POSITIVE_INFINITY });
      return open(turn, input.connection, 'outgoing');
    case 'connect-failed':
      return failToConnect(turn, input.reason);
    case 'accepted':
      return accept(turn, input.connection);
    case 'received':
      return withConnection(turn, input.connection, (connection) => receive(turn, connection, input.bytes));
    case 'closed':
      return withConnection(turn, input.connection, (connection) => end(turn, connection, { lost: input.reason, closed: true }));
    case 'routes':
      state.routes = input.routes;
      return advertise(turn);
    case 'bfd':
      return noteBfd(turn, input.state);
    default:
      unreachable(input);
  }
}

/** What is said of a connection that has ended already is out of date. */
function withConnection({ state }: Turn, id: number, act: (connection: Connection) => void): void {
  const connection = state.connections.find((one) => one.id === id);
  if (connection !== undefined) act(connection);
}

/** ManualStart, or AutomaticStart when the IdleHoldTimer has expired. */
function start(turn: Turn): void {
  Object.assign(turn.state, { started: true, idleHoldUntil: Number.POSITIVE_INFINITY });
  connect(turn);
}

function stop(turn: Turn, { message, restarting }: { message: string; restarting: boolean }): void {
  const { state } = turn;
  Object.assign(state, { started: false, idleHoldUntil: Number.POSITIVE_INFINITY, idleHoldMs: IDLE_HOLD_MS });
  stopConnecting(turn);
  for (const connection of state.connections) {
    // RFC 4724 section 4: a NOTIFICATION would make the peer drop the routes.
    if (restarting && connection.session?.gracefulRestart === true) end(turn, connection, { lost: 'this side restarts', closed: false });
    else end(turn, connection, { notify: administrativeShutdown(message) });
  }
}

function failToConnect(turn: Turn, reason: string): void {
  const { state, outputs } = turn;
  if (!state.connecting) return;
  state.connecting = false;
  state.lastError = { notification: 'none', text: `TcpConnectionFails: ${reason}` };
  outputs.push({ kind: 'failed', error: state.lastError });
  // The peer's own connection may be on its way meanwhile.
  retryBeside(turn);
}

/** RFC 5882 section 4: the session follows BFD down, not up; when the path is back, waiting is of no use any more. */
function noteBfd(turn: Turn, bfd: 'up' | 'down'): void {
  const { state } = turn;
  const before = state.bfd;
  state.bfd = bfd;
  if (bfd === 'down' && before === 'up') endAll(turn, notification('BFD Down'));
  if (bfd === 'up' && before === 'down' && state.idleHoldUntil !== Number.POSITIVE_INFINITY) start(turn);
}

function endAll(turn: Turn, reason: Notification): void {
  for (const connection of turn.state.connections) end(turn, connection, { notify: reason });
}

function expire(turn: Turn): void {
  const { state, now } = turn;
  for (const connection of state.connections) {
    if (now >= connection.holdAt) end(turn, connection, { notify: notification('Hold Timer Expired') });
    else if (now >= connection.keepaliveAt) {
      send(turn, connection, { kind: 'keepalive', body: new Uint8Array(0) });
    }
  }
  if (now >= state.idleHoldUntil) start(turn);
  if (now >= state.connectRetryAt) connect(turn);
}
