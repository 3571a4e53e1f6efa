import { assert } from '../../base/assert.ts';
import type { LeaseMessage, Member, RefusalReason, Round } from './message.ts';
import { type LeaseTiming, SILENCE_MS } from './timing.ts';

/** A promise not to promise the lease to anybody else before `until`. */
export interface LeasePromise {
  candidate: Member;
  round: Round;
  term: number;
  until: number;
}

/**
 * The granting half of a member.
 *
 *   silent --SILENCE_MS after start--> free --request--> promised --until / release--> free
 *                                             promised --handover, succeed--> promised + successor's promise
 *
 * Invariants: before `silentUntil` nothing is promised (a run before this one may have promised, and nothing was written to a
 * disk); while `promise` runs, no other candidate gets one, unless the promised candidate itself named it (`consent`), and then
 * that candidate does not hold before the first one yields.
 */
export interface Granter {
  silentUntil: number;
  promise: LeasePromise | undefined;
  consent: Member | undefined;
  succession: LeasePromise | undefined;
  /** Highest term promised in this run. */
  term: number;
  /** Last round seen of each member, so that a request overtaken by its release does not bind again. */
  lastRound: readonly (Round | undefined)[];
}

export function createGranter(options: { now: number; members: number }): Granter {
  return {
    silentUntil: options.now + SILENCE_MS,
    promise: undefined,
    consent: undefined,
    succession: undefined,
    term: 0,
    lastRound: Array.from({ length: options.members }, () => undefined),
  };
}

/** The promise that binds this granter now, if any. */
export function activePromise(granter: Granter, now: number): LeasePromise | undefined {
  return granter.promise !== undefined && now < granter.promise.until ? granter.promise : undefined;
}

function activeSuccession(granter: Granter, now: number): LeasePromise | undefined {
  return granter.succession !== undefined && now < granter.succession.until ? granter.succession : undefined;
}

interface Refusal {
  reason: RefusalReason;
  waitMs: number;
}

/** Why `candidate` cannot be promised the lease now, or undefined when it can. */
function refusalFor(granter: Granter, candidate: Member, now: number): Refusal | undefined {
  if (now < granter.silentUntil) return { reason: 'silent', waitMs: granter.silentUntil - now };
  const others = [activePromise(granter, now), activeSuccession(granter, now)].filter((p) => p !== undefined && p.candidate !== candidate);
  if (others.length === 0) return undefined;
  return { reason: 'promised', waitMs: Math.max(...others.map((p) => (p as LeasePromise).until)) - now };
}

type Poll = Extract<LeaseMessage, { kind: 'poll' }>;
type Request = Extract<LeaseMessage, { kind: 'request' }>;
type Answer = Extract<LeaseMessage, { kind: 'grant' | 'refusal' }>;

/** Answers a poll: what a request would get, without promising anything. */
export function answerPoll(granter: Granter, from: Member, poll: Poll, now: number): Answer {
  const refusal = refusalFor(granter, from, now);
  const common = { round: poll.round, poll: true, term: granter.term };
  return refusal === undefined ? { kind: 'grant', ...common } : { kind: 'refusal', ...common, ...refusal };
}

/** Answers a request, and promises if nothing stands against it. */
export function answerRequest(
  granter: Granter,
  from: Member,
  request: Request,
  context: { now: number; timing: LeaseTiming },
): { granter: Granter; answer: Answer } {
  const { now, timing } = context;
  const refusal = requestRefusal(granter, from, request, now);
  const common = { round: request.round, poll: false };
  if (refusal !== undefined) return { granter, answer: { kind: 'refusal', ...common, term: granter.term, ...refusal } };
  const promise: LeasePromise = { candidate: from, round: request.round, term: request.term, until: now + timing.leaseMs };
  const heard = { ...granter, term: Math.max(granter.term, request.term), lastRound: granter.lastRound.with(from, request.round) };
  return { granter: bind(heard, { request, promise, now }), answer: { kind: 'grant', ...common, term: request.term } };
}

function requestRefusal(granter: Granter, from: Member, request: Request, now: number): Refusal | undefined {
  const last = granter.lastRound[from];
  if (last !== undefined && last.boot === request.round.boot && request.round.seq <= last.seq) return { reason: 'stale', waitMs: 0 };
  if (now < granter.silentUntil) return { reason: 'silent', waitMs: granter.silentUntil - now };
  const promise = activePromise(granter, now);
  const succession = activeSuccession(granter, now);
  // The holder goes on while its successor gets ready, and the successor's own promise does not stand against it.
  if (request.purpose === 'renew' && promise?.candidate === from) return undefined;
  if (request.purpose === 'renew' && succession?.candidate === from) return undefined;
  const consented = request.purpose === 'succeed' && granter.consent === from;
  const others = [consented ? undefined : promise, succession].filter((p) => p !== undefined && p.candidate !== from);
  if (others.length > 0) return refusalFor(granter, from, now);
  // Terms grow with every new holder; a renewal may carry an older term than a failed candidate left here.
  if (request.purpose === 'acquire' && request.term <= granter.term) return { reason: 'term', waitMs: 0 };
  if (request.purpose === 'succeed' && promise !== undefined && request.term <= promise.term) return { reason: 'term', waitMs: 0 };
  return undefined;
}

function bind(granter: Granter, what: { request: Request; promise: LeasePromise; now: number }): Granter {
  const { request, promise, now } = what;
  assert(now >= granter.silentUntil, 'a silent granter promised');
  const current = activePromise(granter, now);
  if (request.purpose === 'succeed' && current !== undefined && current.candidate !== promise.candidate) {
    return { ...granter, succession: promise };
  }
  // The holder renews: a succession that it consented to stays open. A new holder, also a successor that now renews, starts clean.
  const goesOn = current?.candidate === promise.candidate;
  return { ...granter, promise, succession: goesOn ? granter.succession : undefined, consent: goesOn ? granter.consent : undefined };
}

/** Frees the promise when its candidate gives it back. A release of an earlier round than the promised one is old news. */
export function acceptRelease(granter: Granter, from: Member, release: Extract<LeaseMessage, { kind: 'release' }>): Granter {
  const covers = (p: LeasePromise | undefined) =>
    p !== undefined && p.candidate === from && p.round.boot === release.round.boot && p.round.seq <= release.round.seq;
  const last = granter.lastRound[from];
  const newest = last === undefined || last.boot !== release.round.boot || last.seq < release.round.seq;
  return {
    ...granter,
    promise: covers(granter.promise) ? undefined : granter.promise,
    succession: covers(granter.succession) ? undefined : granter.succession,
    consent: covers(granter.promise) ? undefined : granter.consent,
    lastRound: newest ? granter.lastRound.with(from, release.round) : granter.lastRound,
  };
}

/** Notes that the holder wants `successor` to follow it. Declined from anybody but the promised candidate of that term. */
export function acceptHandover(granter: Granter, from: Member, handover: Extract<LeaseMessage, { kind: 'handover' }>): Granter {
  const promise = granter.promise;
  if (promise === undefined || promise.candidate !== from || promise.term !== handover.term) return granter;
  return { ...granter, consent: handover.successor };
}
