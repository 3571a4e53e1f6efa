import { assert } from '../../base/assert.ts';
import { giveBack, nextRound, requestAll, standDelayMs } from './round.ts';
import { hasMajority, type Holding, type LossReason, majority, type Turn, update, type Withdrawing } from './state.ts';
import type { Member } from './message.ts';

/** Time from takeover to each announcement, then one every `ANNOUNCE_AGAIN_MS`: a single gratuitous ARP is easily missed (RFC 5227 section 2.3 sends two). */
const ANNOUNCE_AFTER_MS = [0, 20, 100, 300, 1000, 2000, 4000];
const ANNOUNCE_AGAIN_MS = 10_000;

/** The lease is won by a majority of promises asked for at `sentAt`. */
export function becomeHolder(turn: Turn, won: { term: number; seq: number; sentAt: number; granted: number; predecessor?: Member }): void {
  const { config, lastHolder } = turn.state;
  assert(hasMajority(config, won.granted), 'holding without a majority');
  const end = won.sentAt + config.holdMs;
  const grantedUntil = Array.from({ length: config.members }, (_, member) =>
    won.granted & (1 << member) ? end : Number.NEGATIVE_INFINITY,
  );
  const role: Holding = {
    name: 'holder',
    term: won.term,
    rounds: [{ seq: won.seq, sentAt: won.sentAt }],
    grantedUntil,
    leaseEnd: end,
    // A successor still stands on the old holder's promises: its first renewal replaces them.
    renewAt: won.predecessor === undefined ? won.sentAt + config.timing.renewMs : turn.now,
    announcements: 0,
    announceAt: turn.now,
    handover: undefined,
  };
  if (turn.now >= end) {
    update(turn, { role: { name: 'follower' }, standAt: turn.now + standDelayMs(turn) });
    return giveBack(turn, { round: { boot: turn.state.boot, seq: won.seq }, term: won.term });
  }
  update(turn, { role, failedRounds: 0, lastHolder: config.self, outclassedSince: Number.POSITIVE_INFINITY });
  turn.outputs.push(
    { kind: 'became-holder', term: won.term, predecessor: won.predecessor ?? lastHolder, handedOver: won.predecessor !== undefined },
    { kind: 'hold', until: end },
  );
}

/** What is due for a holder at this time. */
export function tickHolder(turn: Turn): void {
  let role = turn.state.role as Holding;
  if (turn.now >= role.leaseEnd) return lose(turn, 'expired');
  if (turn.now >= role.announceAt) {
    const count = role.announcements + 1;
    const next = ANNOUNCE_AFTER_MS[count];
    const gap = next === undefined ? ANNOUNCE_AGAIN_MS : next - (ANNOUNCE_AFTER_MS[count - 1] as number);
    turn.outputs.push({ kind: 'announce' });
    role = { ...role, announcements: count, announceAt: turn.now + gap };
    update(turn, { role });
  }
  if (turn.now >= role.renewAt) renew(turn);
}

function renew(turn: Turn): void {
  const { config } = turn.state;
  const role = turn.state.role as Holding;
  const round = nextRound(turn);
  const rounds = role.rounds.filter((r) => r.sentAt + config.holdMs > turn.now);
  update(turn, {
    role: { ...role, rounds: [...rounds, { seq: round.seq, sentAt: turn.now }], renewAt: turn.now + config.timing.renewMs },
  });
  if (requestAll(turn, { purpose: 'renew', round, term: role.term })) countRenewal(turn, config.self, round.seq);
}

/** A member promised again: the lease now lasts as long as a majority's promises can be counted on. */
export function countRenewal(turn: Turn, from: Member, seq: number): void {
  const { role, config } = turn.state;
  if (role.name !== 'holder') return;
  const round = role.rounds.find((r) => r.seq === seq);
  if (round === undefined) return;
  const until = Math.max(role.grantedUntil[from] as number, round.sentAt + config.holdMs);
  const grantedUntil = role.grantedUntil.with(from, until);
  const leaseEnd = grantedUntil.toSorted((a, b) => b - a)[majority(config.members) - 1] as number;
  update(turn, { role: { ...role, grantedUntil, leaseEnd } });
  // An answer that arrives after the end does not revive a lease: the tick that is due takes it away first.
  if (leaseEnd > role.leaseEnd && turn.now < role.leaseEnd) turn.outputs.push({ kind: 'hold', until: leaseEnd });
}

/** Stops holding: the address is withdrawn first; what follows waits for `withdrawn`. */
export function lose(turn: Turn, reason: LossReason, successor?: Withdrawing['successor']): void {
  const role = turn.state.role as Holding;
  update(turn, { role: { name: 'withdrawing', term: role.term, reason, successor, retryAt: Number.POSITIVE_INFINITY } });
  turn.outputs.push({ kind: 'withdraw', successor: successor?.member }, { kind: 'lost', term: role.term, reason });
}
