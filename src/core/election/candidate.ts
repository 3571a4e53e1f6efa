/**
 * Leader election by a record that is replaced only at the version that was read, as client-go does it (tools/leaderelection/leaderelection.go, v0.36).
 *
 *   follower --record absent, empty, its own, or unchanged for the duration it says; write done--> owner
 *   owner --renewed--> owner
 *   owner --no renewal within the deadline, record another's, release--> follower
 *
 * At any time at most one candidate believes that it owns the record. The owner counts from the moment it sent the write, which is before
 * anybody could see it, for `ownMs`; the others count from the moment they saw the answer, for the duration in the record, which is longer even
 * with both clocks off by DRIFT_BOUND. Stored times play no part. It assumes that identities differ, that the lock compares and sets, that
 * nobody deletes or empties another's record, and that whoever else takes part waits as long as the record says.
 *
 * Stricter than client-go: the owner that reads another's name stops at once, not at its deadline; and it counts from the sending.
 */
import { assert, unreachable } from '../../base/assert.ts';
import { drawFrom } from '../../base/random.ts';
import type { Machine } from '../machine.ts';
import type { ElectionRecord } from './record.ts';
import { type ElectionTiming, JITTER_FACTOR, ownMs } from './timing.ts';

export interface CandidateState {
  config: { identity: string; timing: ElectionTiming; ownMs: number };
  /** Whether this candidate wants the record; otherwise it lets go of it and only looks. */
  competing: boolean;
  /** The one call in flight. */
  call: Call | undefined;
  attemptAt: number;
  /** When the next attempt is due; Infinity while one is under way and nothing has come in that asks for another. */
  nextAt: number;
  /** Until then attempts follow each other closely: the owner is said to let go. */
  eagerUntil: number;
  /** The record as it was last read or written, `at` when this version of it was first seen. */
  observed: { record: ElectionRecord | undefined; version: string | undefined; at: number } | undefined;
  /** Owner until then; -Infinity for a follower. */
  ownUntil: number;
  /** Why the last call failed; undefined when it did not. */
  problem: string | undefined;
  /** State of the jitter's generator. */
  jitter: number;
}

type Call = { kind: 'read' } | { kind: 'write'; purpose: 'own' | 'release'; sentAt: number; optimistic: boolean };

/** A record without the wall-clock times that only its writer's engine knows: both are new unless `acquireTime` stays. */
export interface RecordDraft {
  holderIdentity: string;
  leaseDurationSeconds: number;
  leaseTransitions: number;
  acquireTime: string | undefined;
}

export type CandidateInput =
  | { kind: 'tick' }
  | { kind: 'found'; record: ElectionRecord; version: string }
  | { kind: 'absent' }
  | { kind: 'read-failed'; reason: string }
  | { kind: 'written'; record: ElectionRecord; version: string }
  | { kind: 'conflict' }
  /** Not done, or nobody knows whether it was done, or whether it will be. */
  | { kind: 'write-failed'; reason: string }
  /** From now on this host wants the record. */
  | { kind: 'compete' }
  /** It does not, and lets go of it. */
  | { kind: 'release' }
  /** Somebody said that the record is about to be free. */
  | { kind: 'look' };

export type LostReason = 'not-renewed' | 'taken' | 'released';

export type CandidateOutput =
  | { kind: 'read' }
  | { kind: 'write'; draft: RecordDraft; version: string | undefined }
  | { kind: 'became-owner' }
  | { kind: 'lost'; reason: LostReason };

interface Turn {
  readonly now: number;
  readonly state: CandidateState;
  readonly outputs: CandidateOutput[];
}

/** Between two looks at a record that is about to be free. */
const EAGER_MS = 100;
/** client-go: a record that was let go of is anybody's, and says 1 s to those that look at nothing else. */
const RELEASED_SECONDS = 1;

/** A follower that does not compete yet. `seed` is any number, different on each host. */
export function createCandidate(options: { identity: string; timing: ElectionTiming; seed: number; now: number }): CandidateState {
  const { identity, timing, seed, now } = options;
  assert(identity !== '', 'an empty identity means that nobody holds');
  return {
    config: { identity, timing, ownMs: ownMs(timing) },
    competing: false,
    call: undefined,
    attemptAt: now,
    nextAt: now,
    eagerUntil: now,
    observed: undefined,
    ownUntil: Number.NEGATIVE_INFINITY,
    problem: undefined,
    jitter: seed >>> 0,
  };
}

/** Whether this candidate may act as the owner at this time, however long ago its last step was. */
export function owns(state: CandidateState, now: number): boolean {
  return now < state.ownUntil;
}

/** Whether nothing of this candidate's is in the record or under way to it, as far as it knows. */
export function hasLetGo(state: CandidateState): boolean {
  return state.call === undefined && !isWrittenAsOurs(state);
}

export const candidate: Machine<CandidateState, CandidateInput, CandidateOutput> = {
  step(state, input, now) {
    const turn: Turn = { now, state: { ...state }, outputs: [] };
    // Ownership that has ended is gone before anything else is looked at, however late this step comes.
    if (state.ownUntil !== Number.NEGATIVE_INFINITY && !owns(state, now)) lose(turn, 'not-renewed');
    receive(turn, input);
    if (turn.state.call === undefined && now >= turn.state.nextAt) attempt(turn);
    return { state: turn.state, outputs: turn.outputs };
  },

  wakeAt({ ownUntil, call, nextAt }) {
    const end = ownUntil === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : ownUntil;
    return Math.min(end, call === undefined ? nextAt : Number.POSITIVE_INFINITY);
  },
};

function receive(turn: Turn, input: CandidateInput): void {
  const { state, now } = turn;
  switch (input.kind) {
    case 'tick':
      return;
    case 'found':
      return receiveRecord(turn, input);
    case 'absent':
      return receiveRecord(turn, { record: undefined, version: undefined });
    case 'read-failed':
      return finish(turn, input.reason);
    case 'written':
      return receiveWritten(turn, input);
    case 'conflict':
    case 'write-failed':
      return receiveNotWritten(turn, input.kind === 'conflict' ? undefined : input.reason);
    case 'compete':
      if (!state.competing) Object.assign(state, { competing: true, nextAt: now });
      return;
    case 'release':
      if (!state.competing) return;
      Object.assign(state, { competing: false, nextAt: now });
      if (owns(state, now)) lose(turn, 'released');
      return;
    case 'look':
      if (!state.competing || owns(state, now)) return;
      Object.assign(state, { eagerUntil: now + state.config.timing.retryMs, nextAt: now });
      return;
    default:
      unreachable(input);
  }
}

/** The owner renews at the version it knows, and saves a read; everybody else looks first. */
function attempt(turn: Turn): void {
  const { state, now } = turn;
  Object.assign(state, { attemptAt: now, nextAt: Number.POSITIVE_INFINITY });
  if (state.competing ? owns(state, now) : isWrittenAsOurs(state)) write(turn, { optimistic: true });
  else read(turn);
}

function read(turn: Turn): void {
  turn.state.call = { kind: 'read' };
  turn.outputs.push({ kind: 'read' });
}

/** Puts this candidate's name into the record, or takes it out when it does not compete. */
function write(turn: Turn, { optimistic }: { optimistic: boolean }): void {
  const { state, now } = turn;
  const { record, version } = state.observed as NonNullable<CandidateState['observed']>;
  const purpose = state.competing ? 'own' : 'release';
  const goesOn = purpose === 'own' && record?.holderIdentity === state.config.identity;
  const transitions = record?.leaseTransitions ?? 0;
  const draft: RecordDraft = {
    holderIdentity: purpose === 'own' ? state.config.identity : '',
    leaseDurationSeconds: purpose === 'own' ? state.config.timing.durationMs / 1000 : RELEASED_SECONDS,
    leaseTransitions: purpose === 'release' || goesOn || record === undefined ? transitions : transitions + 1,
    acquireTime: goesOn ? record.acquireTime : undefined,
  };
  state.call = { kind: 'write', purpose, sentAt: now, optimistic };
  turn.outputs.push({ kind: 'write', draft, version });
}

function receiveRecord(turn: Turn, { record, version }: { record: ElectionRecord | undefined; version: string | undefined }): void {
  const { state, now } = turn;
  assert(state.call?.kind === 'read', 'an answer belongs to a call');
  if (state.observed === undefined || state.observed.version !== version) state.observed = { record, version, at: now };
  if (owns(state, now) && record !== undefined && !isWrittenAsOurs(state)) lose(turn, 'taken');
  if (state.competing ? isFree(turn) : isWrittenAsOurs(state)) write(turn, { optimistic: false });
  else finish(turn, undefined);
}

/** Whether the record just read may be taken, or taken back: a write without an answer may have put this name there. */
function isFree({ state, now }: Turn): boolean {
  const { record, at } = state.observed as NonNullable<CandidateState['observed']>;
  if (record === undefined || record.holderIdentity === '' || isWrittenAsOurs(state)) return true;
  return now >= at + record.leaseDurationSeconds * 1000;
}

function receiveWritten(turn: Turn, { record, version }: { record: ElectionRecord; version: string }): void {
  const { state, now } = turn;
  assert(state.call?.kind === 'write', 'an answer belongs to a call');
  const { purpose, sentAt } = state.call;
  state.observed = { record, version, at: now };
  const until = sentAt + state.config.ownMs;
  // Not when it has been told to let go meanwhile, nor when the answer comes after the time that it could count on.
  if (purpose === 'own' && state.competing && now < until) {
    if (!owns(state, now)) turn.outputs.push({ kind: 'became-owner' });
    state.ownUntil = until;
  }
  finish(turn, undefined);
}

/** What the owner believed of the record was wrong, or nobody knows: it looks, within the same attempt. */
function receiveNotWritten(turn: Turn, problem: string | undefined): void {
  assert(turn.state.call?.kind === 'write', 'an answer belongs to a call');
  if (!turn.state.call.optimistic) return finish(turn, problem);
  turn.state.problem = problem;
  read(turn);
}

function finish(turn: Turn, problem: string | undefined): void {
  const { state, now } = turn;
  const { retryMs } = state.config.timing;
  state.call = undefined;
  state.problem = problem;
  // What came in during the call may have changed what this candidate wants: then the next attempt is due already.
  if (state.nextAt !== Number.POSITIVE_INFINITY) return;
  if (owns(state, now)) state.nextAt = Math.max(now, state.attemptAt + retryMs);
  else state.nextAt = now + (now < state.eagerUntil ? EAGER_MS : retryMs * (1 + JITTER_FACTOR * random(turn)));
}

function lose(turn: Turn, reason: LostReason): void {
  turn.state.ownUntil = Number.NEGATIVE_INFINITY;
  turn.outputs.push({ kind: 'lost', reason });
}

function isWrittenAsOurs({ observed, config }: CandidateState): boolean {
  return observed?.record?.holderIdentity === config.identity;
}

/** Uniform in [0, 1), and part of the state so that a run replays. */
function random({ state }: Turn): number {
  const { next, fraction } = drawFrom(state.jitter);
  state.jitter = next;
  return fraction;
}
