/**
 * Quorum lease: at most one member may answer for the address, as long as clocks drift less than DRIFT_BOUND.
 *
 * A granter promises the lease to one candidate for `leaseMs` of its own clock. A candidate holds while a majority's promises can be
 * counted on, from the moment it asked, less the drift: so its lease ends before any of these promises does, and two majorities share
 * a granter. Nothing is written to a disk: a granter that restarts says nothing for SILENCE_MS. States: see `Role` in state.ts.
 *
 * After PaxosLease (Trencseni, Gazso, Reinhardt, 2012), with Raft's pre-vote (Ongaro 2014, section 9.6) in front of each round.
 */
import { unreachable } from '../../base/assert.ts';
import type { Machine } from '../machine.ts';
import { giveUpRound, receivePromise, receiveRefusal, receiveVote, roundDeadline, stand } from './candidate.ts';
import { acceptRelease, activePromise, answerPoll, answerRequest, createGranter } from './granter.ts';
import {
  RESEND_MS,
  receiveHandover,
  receiveReady,
  receiveSuccession,
  receiveWithdrawn,
  receiveYield,
  resendYield,
  tickHandover,
  tickSuccession,
} from './handover.ts';
import { countRenewal, lose, tickHolder } from './holder.ts';
import type { Boot, LeaseMessage, Member } from './message.ts';
import { standDelayMs } from './round.ts';
import { broadcast, isFresh, type LeaseInput, type LeaseOutput, type LeaseState, type Turn, update } from './state.ts';
import type { LeaseTiming } from './timing.ts';
import { holdMs } from './timing.ts';

export interface MemberOptions {
  self: Member;
  members: number;
  timing: LeaseTiming;
  /** Random, 48 bits, new for each run. */
  boot: Boot;
  now: number;
  /** See `LeaseConfig`; true without it. */
  stands?: boolean;
}

export function createMember(options: MemberOptions): LeaseState {
  const { self, members, timing, boot, now, stands = true } = options;
  return {
    config: { self, members, timing, holdMs: holdMs(timing), stands },
    boot,
    granter: createGranter({ now, members }),
    role: { name: 'follower' },
    standAt: now + self * timing.staggerMs,
    failedRounds: 0,
    seq: 0,
    term: 0,
    lastHolder: undefined,
    lastRefusal: undefined,
    peers: Array.from({ length: members }, () => ({ heardAt: Number.NEGATIVE_INFINITY, heartbeat: undefined })),
    // Nothing is known of this host yet; the agent's first look at it changes that.
    fitness: 'unable',
    draining: false,
    outclassedSince: Number.POSITIVE_INFINITY,
    readyBackends: 0,
    mac: 0,
    heartbeatAt: now,
    yielding: undefined,
    jitter: boot >>> 0,
  };
}

export const leaseMember: Machine<LeaseState, LeaseInput, LeaseOutput> = {
  step(state, input, now) {
    const turn: Turn = { now, state: { ...state }, outputs: [] };
    // A lease that has ended is gone before anything else is looked at, however late this step comes.
    if (state.role.name === 'holder' && now >= state.role.leaseEnd) lose(turn, 'expired');
    receive(turn, input);
    tick(turn);
    return { state: turn.state, outputs: turn.outputs };
  },

  wakeAt(state) {
    return Math.min(state.heartbeatAt, roleWakeAt(state), state.yielding?.resendAt ?? Number.POSITIVE_INFINITY);
  },
};

function roleWakeAt(state: LeaseState): number {
  const { role } = state;
  switch (role.name) {
    case 'follower':
      return state.standAt;
    case 'polling':
    case 'acquiring':
      return roundDeadline(role, state);
    case 'succeeding':
      return Math.min(role.until, role.askedAt + RESEND_MS);
    case 'holder':
      return Math.min(role.leaseEnd, role.renewAt, role.announceAt, role.handover?.until ?? Number.POSITIVE_INFINITY);
    case 'withdrawing':
      return role.retryAt;
    default:
      return unreachable(role);
  }
}

function tick(turn: Turn): void {
  const { role } = turn.state;
  if (turn.now >= turn.state.heartbeatAt) sendHeartbeat(turn);
  resendYield(turn);
  if (role.name === 'follower' && turn.now >= turn.state.standAt) stand(turn);
  else if ((role.name === 'polling' || role.name === 'acquiring') && turn.now >= roundDeadline(role, turn.state)) giveUpRound(turn);
  else if (role.name === 'succeeding') tickSuccession(turn);
  else if (role.name === 'holder') {
    tickHolder(turn);
    tickHandover(turn);
  } else if (role.name === 'withdrawing' && turn.now >= role.retryAt) {
    update(turn, { role: { ...role, retryAt: Number.POSITIVE_INFINITY } });
    turn.outputs.push({ kind: 'withdraw', successor: role.successor?.member });
  }
}

function receive(turn: Turn, input: LeaseInput): void {
  switch (input.kind) {
    case 'tick':
      return;
    case 'message':
      return receiveMessage(turn, input.from, input.message);
    case 'fitness':
      return receiveFitness(turn, input);
    case 'drain':
      update(turn, { draining: true });
      return sendHeartbeat(turn);
    case 'resume':
      update(turn, { draining: false });
      return reconsider(turn);
    case 'hold-failed':
      if (turn.state.role.name === 'holder') lose(turn, 'hold-failed');
      return;
    case 'withdrawn':
      return receiveWithdrawn(turn, input);
    default:
      unreachable(input);
  }
}

function receiveFitness(turn: Turn, input: Extract<LeaseInput, { kind: 'fitness' }>): void {
  const { fitness, readyBackends, mac } = input;
  const { state } = turn;
  const otherFitness = state.fitness !== fitness;
  if (!otherFitness && state.readyBackends === readyBackends && state.mac === mac) return;
  update(turn, { fitness, readyBackends, mac });
  if (otherFitness) reconsider(turn);
  else sendHeartbeat(turn);
}

/** Fitness changed: a follower thinks again about when to stand, and the others hear of it. */
function reconsider(turn: Turn): void {
  if (turn.state.role.name === 'follower') {
    const promise = activePromise(turn.state.granter, turn.now);
    const free = promise === undefined || promise.candidate === turn.state.config.self ? turn.now : promise.until;
    update(turn, { standAt: free + standDelayMs(turn) });
  }
  sendHeartbeat(turn);
}

function sendHeartbeat(turn: Turn): void {
  const { state, now } = turn;
  let heard = 1 << state.config.self;
  for (let member = 0; member < state.config.members; member++) if (isFresh(state, member, now)) heard |= 1 << member;
  const fitness = state.draining ? 'unable' : state.fitness;
  broadcast(turn, { kind: 'heartbeat', fitness, term: state.term, heard, readyBackends: state.readyBackends, mac: state.mac });
  const { timing, stands } = state.config;
  // Where there are no renewals, nothing else tells that a host is gone.
  update(turn, { heartbeatAt: now + (stands ? timing.heartbeatMs : timing.renewMs) });
}

function receiveMessage(turn: Turn, from: Member, message: LeaseMessage): void {
  const { state, now } = turn;
  const peer = state.peers[from];
  if (peer === undefined || from === state.config.self) return;
  const heartbeat = message.kind === 'heartbeat' ? message : peer.heartbeat;
  update(turn, { peers: state.peers.with(from, { heardAt: now, heartbeat }) });
  if ('term' in message && message.term > state.term) update(turn, { term: message.term });
  switch (message.kind) {
    case 'heartbeat':
      return;
    case 'poll':
      turn.outputs.push({ kind: 'send', to: from, message: answerPoll(turn.state.granter, from, message, now) });
      return;
    case 'request':
      return receiveRequest(turn, from, message);
    case 'grant':
      return receiveGrant(turn, from, message);
    case 'refusal':
      if (message.round.boot !== state.boot) return;
      update(turn, { lastRefusal: { from, reason: message.reason, at: now } });
      return receiveRefusal(turn, message);
    case 'release':
      return receiveRelease(turn, from, message);
    case 'handover':
      return receiveHandover(turn, from, message);
    case 'ready':
      return receiveReady(turn, from, message);
    case 'yield':
      return receiveYield(turn, from, message);
    default:
      unreachable(message);
  }
}

function receiveRequest(turn: Turn, from: Member, message: Extract<LeaseMessage, { kind: 'request' }>): void {
  const { config } = turn.state;
  const { granter, answer } = answerRequest(turn.state.granter, from, message, { now: turn.now, timing: config.timing });
  update(turn, { granter });
  turn.outputs.push({ kind: 'send', to: from, message: answer });
  if (answer.kind !== 'grant' || message.purpose === 'succeed') return;
  update(turn, { lastHolder: from });
  if (message.purpose === 'renew' && turn.state.yielding?.successor === from) update(turn, { yielding: undefined });
  // Whoever promised to another has no business standing until that promise ends.
  update(turn, { standAt: turn.now + config.timing.leaseMs + standDelayMs(turn) });
}

function receiveGrant(turn: Turn, from: Member, message: Extract<LeaseMessage, { kind: 'grant' }>): void {
  const { state } = turn;
  if (message.round.boot !== state.boot) return;
  const { seq } = message.round;
  const { role } = state;
  if (message.poll) {
    if (role.name === 'polling' && role.seq === seq) receiveVote(turn, from);
  } else if (role.name === 'acquiring' && role.seq === seq) receivePromise(turn, from);
  else if (role.name === 'succeeding') receiveSuccession(turn, from, seq);
  else if (role.name === 'holder') countRenewal(turn, from, seq);
}

function receiveRelease(turn: Turn, from: Member, message: Extract<LeaseMessage, { kind: 'release' }>): void {
  const before = activePromise(turn.state.granter, turn.now);
  const named = turn.state.granter.consent;
  update(turn, { granter: acceptRelease(turn.state.granter, from, message) });
  const freed = before?.candidate === from && activePromise(turn.state.granter, turn.now) === undefined;
  if (!freed || turn.state.role.name !== 'follower') return;
  // A named successor is about to hold: everybody else gives it a round's time.
  const head = named === undefined ? 0 : turn.state.config.timing.roundTimeoutMs;
  update(turn, { standAt: turn.now + head + standDelayMs(turn) });
}
