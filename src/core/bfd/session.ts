/**
 * One BFD session in asynchronous mode: RFC 5880 sections 6.1 to 6.8.
 *
 *                         +--+
 *                         |  | UP, ADMIN DOWN, TIMER
 *                         |  V
 *                 DOWN  +------+  INIT
 *          +------------|      |------------+
 *          |            | Down |            |
 *          |  +-------->|      |<--------+  |
 *          |  |         +------+         |  |
 *          |  |                          |  |
 *          |  | ADMIN DOWN,  ADMIN DOWN, |  |
 *          |  | TIMER        DOWN, TIMER |  |
 *          V  |                          |  V
 *        +------+                      +------+
 *   +----| Init |--------------------->|  Up  |----+
 *   +--->|      |  INIT, UP            |      |<---+
 *   DOWN +------+                      +------+ INIT, UP
 *
 * Names in capitals are states in the peer's packets, TIMER is the end of the Detection Time. Any state goes to AdminDown by `admin-down`, and
 * from there to Down by `admin-up` (section 6.8.16).
 *
 * Section 6.1 roles; 6.5 Poll Sequence; 6.6 Demand mode: the peer's is honoured, our own is not offered; 6.8.1 variables; 6.8.2 to 6.8.4 timers;
 * 6.8.6 reception, of which `packet.ts` and `demultiplex.ts` do the first half; 6.8.7 transmission; 6.8.16 administrative control; 6.8.18 a
 * peer that wants no packets. Authentication (6.7), Echo (6.8.5, 6.8.8, 6.8.9) and multipoint do not exist here.
 *
 * The Detection Time ends only at a `tick`: the engine hands on what has arrived before, so that a host that slept does not blame its peer.
 */
import { unreachable } from '../../base/assert.ts';
import type { Machine } from '../machine.ts';
import type { BfdDecline } from './decline.ts';
import {
  ADMINISTRATIVELY_DOWN,
  type BfdState,
  CONTROL_DETECTION_TIME_EXPIRED,
  type ControlPacket,
  diagnosticText,
  NEIGHBOR_SIGNALED_SESSION_DOWN,
  NO_DIAGNOSTIC,
} from './packet.ts';
import { announce, detectionEndsAt, drawJitter, finishPoll, isDemandActive, transmitsAt } from './timing.ts';
import type { BfdTimers, RemoteState, SessionState } from './variables.ts';

export type SessionInput =
  | { kind: 'tick' }
  | { kind: 'packet'; packet: ControlPacket; authenticationPresent: boolean }
  | { kind: 'admin-down' }
  | { kind: 'admin-up' }
  | { kind: 'timers'; timers: BfdTimers };

export type SessionOutput =
  | { kind: 'send'; packet: ControlPacket }
  /** `diagnostic` is the reason in the words of RFC 5880 section 4.1. */
  | { kind: 'state-changed'; from: BfdState; to: BfdState; diagnostic: string }
  | { kind: 'declined'; reason: BfdDecline };

interface Turn {
  readonly now: number;
  readonly state: SessionState;
  readonly outputs: SessionOutput[];
  /** A packet with Poll asks for one with Final. */
  owesFinal: boolean;
}

/** A peer of which nothing is known (section 6.8.1). */
const NOBODY: RemoteState = {
  state: 'Down',
  diagnostic: NO_DIAGNOSTIC,
  discriminator: 0,
  demand: false,
  multiplier: 0,
  minTxUs: 0,
  minRxUs: 1,
};

/** In state Down. `localDiscriminator` is not 0 and no other session's; `seed` is any number. The active role speaks first. */
export function createSession(options: {
  localDiscriminator: number;
  timers: BfdTimers;
  role: 'active' | 'passive';
  seed: number;
}): SessionState {
  const { localDiscriminator, timers, role, seed } = options;
  const state: SessionState = {
    config: { localDiscriminator, role },
    timers,
    state: 'Down',
    diagnostic: NO_DIAGNOSTIC,
    desiredMinTxUs: 0,
    requiredMinRxUs: 0,
    multiplier: timers.multiplier,
    inUse: { minTxUs: 0, minRxUs: 0 },
    remote: NOBODY,
    poll: 'none',
    heardAt: undefined,
    sentAt: Number.NEGATIVE_INFINITY,
    said: undefined,
    jitterFactor: 1,
    jitter: seed >>> 0,
  };
  announce(state);
  return state;
}

export const session: Machine<SessionState, SessionInput, SessionOutput> = {
  step(before, input, now) {
    const turn: Turn = { now, state: { ...before }, outputs: [], owesFinal: false };
    receive(turn, input);
    announce(turn.state);
    transmit(turn);
    return { state: turn.state, outputs: turn.outputs };
  },

  wakeAt: (state) => Math.min(transmitsAt(state), detectionEndsAt(state)),
};

function receive(turn: Turn, input: SessionInput): void {
  const { state, now } = turn;
  switch (input.kind) {
    case 'tick':
      if (now >= detectionEndsAt(state)) forgetPeer(turn);
      return;
    case 'packet':
      return receivePacket(turn, input);
    case 'admin-down':
      return change(turn, 'AdminDown', ADMINISTRATIVELY_DOWN);
    case 'admin-up':
      if (state.state === 'AdminDown') change(turn, 'Down', NO_DIAGNOSTIC);
      return;
    case 'timers':
      state.timers = input.timers;
      return;
    default:
      unreachable(input);
  }
}

/** Sections 6.8.1, 6.8.4 and 6.8.18: a Detection Time without a packet. */
function forgetPeer(turn: Turn): void {
  const { state } = turn;
  Object.assign(state, { remote: NOBODY, heardAt: undefined });
  finishPoll(state);
  state.poll = 'none';
  if (state.state === 'Init' || state.state === 'Up') change(turn, 'Down', CONTROL_DETECTION_TIME_EXPIRED);
}

/** Section 6.8.6, from the check for authentication on. */
function receivePacket(turn: Turn, { packet, authenticationPresent }: { packet: ControlPacket; authenticationPresent: boolean }): void {
  const { state, now } = turn;
  if (authenticationPresent) return decline(turn, 'authentication_present');
  state.remote = {
    state: packet.state,
    diagnostic: packet.diagnostic,
    discriminator: packet.myDiscriminator,
    demand: packet.demand,
    multiplier: packet.multiplier,
    minTxUs: packet.desiredMinTxUs,
    minRxUs: packet.requiredMinRxUs,
  };
  state.heardAt = now;
  if (packet.final && state.poll === 'sent') finishPoll(state);
  else if (!packet.final && state.poll === 'settling') state.poll = 'none';
  if (state.state === 'AdminDown') return decline(turn, 'admin_down');
  followPeer(turn, packet.state);
  turn.owesFinal = packet.poll;
}

function followPeer(turn: Turn, received: BfdState): void {
  const own = turn.state.state;
  if (received === 'AdminDown' || (own === 'Up' && received === 'Down')) {
    if (own !== 'Down') change(turn, 'Down', NEIGHBOR_SIGNALED_SESSION_DOWN);
  } else if (own === 'Down') {
    if (received === 'Down') change(turn, 'Init', NO_DIAGNOSTIC);
    if (received === 'Init') change(turn, 'Up', NO_DIAGNOSTIC);
  } else if (own === 'Init' && received !== 'Down') change(turn, 'Up', NO_DIAGNOSTIC);
}

function change(turn: Turn, to: BfdState, diagnostic: number): void {
  const { state, outputs } = turn;
  const from = state.state;
  if (from === to) return;
  Object.assign(state, { state: to, diagnostic });
  // Slow or fast from this moment on, whatever Poll Sequence is under way (section 6.8.3).
  announce(state, { despitePoll: true });
  outputs.push({ kind: 'state-changed', from, to, diagnostic: diagnosticText(diagnostic) });
}

function decline(turn: Turn, reason: BfdDecline): void {
  turn.outputs.push({ kind: 'declined', reason });
}

/** Section 6.8.7: an answer to a Poll at once, periodic packets when they are due, and one between them when there is something new to say. */
function transmit(turn: Turn): void {
  const { state, now } = turn;
  if (turn.owesFinal) return send(turn, { final: true });
  const isNew = saying(state) !== state.said;
  const isSilent = state.remote.minRxUs === 0 || (state.config.role === 'passive' && state.remote.discriminator === 0);
  if (isSilent) return;
  // A peer in Demand mode hears no periodic packets that would repeat what was lost (section 6.6).
  if (isNew && isDemandActive(state) && state.poll === 'none') state.poll = 'wanted';
  if (isNew || now >= transmitsAt(state)) send(turn, { final: false });
}

function send(turn: Turn, { final }: { final: boolean }): void {
  const { state, now, outputs } = turn;
  const { config, remote, poll } = state;
  const isPoll = !final && (poll === 'wanted' || poll === 'sent');
  outputs.push({
    kind: 'send',
    packet: {
      diagnostic: state.diagnostic,
      state: state.state,
      poll: isPoll,
      final,
      controlPlaneIndependent: false,
      demand: false,
      multiplier: state.multiplier,
      myDiscriminator: config.localDiscriminator,
      yourDiscriminator: remote.discriminator,
      desiredMinTxUs: state.desiredMinTxUs,
      requiredMinRxUs: state.requiredMinRxUs,
      requiredMinEchoRxUs: 0,
    },
  });
  state.said = saying(state);
  if (isPoll) state.poll = 'sent';
  // Not after an answer, or a peer that asks without end would keep our own Poll from being sent.
  if (final) return;
  state.sentAt = now;
  drawJitter(state);
}

function saying({ state, diagnostic, multiplier, remote, desiredMinTxUs, requiredMinRxUs }: SessionState): string {
  return [state, diagnostic, multiplier, remote.discriminator, desiredMinTxUs, requiredMinRxUs].join();
}
