import { activePromise, answerPoll } from './granter.ts';
import { becomeHolder } from './holder.ts';
import type { LeaseMessage, Member } from './message.ts';
import { canStand, giveBack, nextRound, requestAll, standDelayMs } from './round.ts';
import { broadcast, hasMajority, jitter, type LeaseState, type Role, type Turn, update } from './state.ts';

/** A follower whose time has come asks whether it would get a majority; nobody is bound yet. */
export function stand(turn: Turn): void {
  const { state, now } = turn;
  if (!canStand(state)) return update(turn, { standAt: Number.POSITIVE_INFINITY });
  const promise = activePromise(state.granter, now);
  if (promise !== undefined && promise.candidate !== state.config.self) {
    return update(turn, { standAt: promise.until + standDelayMs(turn) });
  }
  const round = nextRound(turn);
  const poll: LeaseMessage = { kind: 'poll', round };
  const own = answerPoll(state.granter, state.config.self, { kind: 'poll', round }, now);
  update(turn, { role: { name: 'polling', seq: round.seq, sentAt: now, granted: 0 } });
  broadcast(turn, poll);
  if (own.kind === 'grant') receiveVote(turn, state.config.self);
}

/** Counts one more member that would promise; with a majority the candidate asks for real. */
export function receiveVote(turn: Turn, from: Member): void {
  const { role, config } = turn.state;
  if (role.name !== 'polling') return;
  const granted = role.granted | (1 << from);
  update(turn, { role: { ...role, granted } });
  if (hasMajority(config, granted)) acquire(turn);
}

function acquire(turn: Turn): void {
  const { now } = turn;
  const term = Math.max(turn.state.term, turn.state.granter.term) + 1;
  const round = nextRound(turn);
  update(turn, { term, role: { name: 'acquiring', term, seq: round.seq, sentAt: now, granted: 0 } });
  if (requestAll(turn, { purpose: 'acquire', round, term })) receivePromise(turn, turn.state.config.self);
}

/** Counts one more promise; with a majority the candidate holds, counting from the moment it asked. */
export function receivePromise(turn: Turn, from: Member): void {
  const { role, config } = turn.state;
  if (role.name !== 'acquiring') return;
  const granted = role.granted | (1 << from);
  update(turn, { role: { ...role, granted } });
  if (hasMajority(config, granted)) becomeHolder(turn, { term: role.term, seq: role.seq, sentAt: role.sentAt, granted });
}

/** A poll that is refused for less than a round's time is asked again when the promise in the way has run out, instead of waiting for answers of the dead. */
export function receiveRefusal(turn: Turn, refusal: Extract<LeaseMessage, { kind: 'refusal' }>): void {
  const { role, config } = turn.state;
  if (refusal.reason === 'stale') return;
  if (role.name === 'polling' && refusal.round.seq === role.seq && refusal.poll) {
    if (refusal.waitMs <= config.timing.roundTimeoutMs) update(turn, { role: { name: 'follower' }, standAt: turn.now + refusal.waitMs });
    else update(turn, { standAt: Math.max(turn.state.standAt, turn.now + refusal.waitMs) });
  }
  if (role.name === 'acquiring' && refusal.round.seq === role.seq && refusal.reason === 'term') {
    giveUpRound(turn);
    update(turn, { standAt: turn.now });
  }
}

/** Ends a round without a majority. What was promised is given back, and will not be counted on: the role that could count it is left. */
export function giveUpRound(turn: Turn): void {
  const { role, seq, boot, failedRounds, config } = turn.state;
  const backOff = jitter(turn, config.timing.roundTimeoutMs * 2 ** Math.min(failedRounds, 4));
  const earliest = role.name === 'polling' ? turn.state.standAt : turn.now;
  update(turn, {
    role: { name: 'follower' },
    failedRounds: failedRounds + 1,
    standAt: Math.max(turn.now, Math.min(earliest, turn.now + config.timing.leaseMs)) + backOff,
  });
  // What was prepared for the succession must not stay.
  if (role.name === 'succeeding') turn.outputs.push({ kind: 'withdraw', successor: undefined });
  if (role.name === 'acquiring' || role.name === 'succeeding') giveBack(turn, { round: { boot, seq }, term: role.term });
}

export function roundDeadline(role: Extract<Role, { name: 'polling' | 'acquiring' }>, state: LeaseState): number {
  return role.sentAt + state.config.timing.roundTimeoutMs;
}
