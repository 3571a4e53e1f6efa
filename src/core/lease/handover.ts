import { giveUpRound } from './candidate.ts';
import { acceptHandover } from './granter.ts';
import { becomeHolder, lose } from './holder.ts';
import type { LeaseMessage, Member } from './message.ts';
import { canStand, giveBack, nextRound, requestAll, someoneIsGood, standDelayMs } from './round.ts';
import { broadcast, hasMajority, type Holding, isFresh, type LossReason, type Role, type Turn, update } from './state.ts';

/** A lost datagram of a hand-over is sent again after this long. */
export const RESEND_MS = 3;
/** A withdrawal that failed is tried again after this long; until it succeeds the member stands for nothing. */
const WITHDRAW_AGAIN_MS = 50;
/** How long a better member must have been around before a poor holder hands over: one wobble must not move the address. */
const OUTCLASSED_LEASES = 4;

/** Starts, gives up or goes on with the hand-over of a holder that should leave. */
export function tickHandover(turn: Turn): void {
  const role = turn.state.role;
  if (role.name !== 'holder') return;
  const why = reasonToLeave(turn);
  if (role.handover !== undefined) {
    if (turn.now < role.handover.until) return;
    update(turn, { role: { ...role, handover: undefined }, outclassedSince: Number.POSITIVE_INFINITY });
    if (why === 'drained' || why === 'unable') lose(turn, why);
    return;
  }
  if (why === undefined) return;
  const successor = chooseSuccessor(turn);
  if (successor !== undefined) return offer(turn, successor);
  // Nobody can follow: a host that must leave does so; one that is merely poor is better than none.
  if (why !== 'outclassed') lose(turn, why);
}

function reasonToLeave(turn: Turn): LossReason | undefined {
  const { state, now } = turn;
  if (state.draining) return 'drained';
  if (state.fitness === 'unable') return 'unable';
  const outclassed = state.fitness === 'poor' && someoneIsGood(state, now);
  const since = outclassed ? Math.min(state.outclassedSince, now) : Number.POSITIVE_INFINITY;
  if (since !== state.outclassedSince) update(turn, { outclassedSince: since });
  return now - since >= OUTCLASSED_LEASES * state.config.timing.leaseMs ? 'outclassed' : undefined;
}

/** The fittest member heard lately, nearest in ring order. */
function chooseSuccessor(turn: Turn): Member | undefined {
  const { config, peers } = turn.state;
  const ring = Array.from({ length: config.members - 1 }, (_, i) => (config.self + 1 + i) % config.members);
  const fresh = ring.filter((member) => isFresh(turn.state, member, turn.now));
  const fitness = (member: Member) => peers[member]?.heartbeat?.fitness;
  return fresh.find((member) => fitness(member) === 'good') ?? fresh.find((member) => fitness(member) === 'poor');
}

function offer(turn: Turn, successor: Member): void {
  const { config, granter } = turn.state;
  const role = turn.state.role as Holding;
  const message = { kind: 'handover', term: role.term, successor } as const;
  update(turn, {
    granter: acceptHandover(granter, config.self, message),
    role: { ...role, handover: { successor, until: turn.now + 4 * config.timing.roundTimeoutMs } },
  });
  broadcast(turn, message);
}

/** The holder names a successor. Everybody's granter notes it; the named one starts to collect promises. */
export function receiveHandover(turn: Turn, from: Member, message: Extract<LeaseMessage, { kind: 'handover' }>): void {
  const granter = acceptHandover(turn.state.granter, from, message);
  update(turn, { granter });
  const { config, role } = turn.state;
  const consented = granter.consent === message.successor && granter.promise?.candidate === from;
  if (!consented || role.name === 'holder' || role.name === 'withdrawing' || role.name === 'succeeding') return;
  if (message.successor !== config.self) return;
  if (!canStand(turn.state)) return;
  const term = Math.max(turn.state.term, granter.term) + 1;
  const seq = turn.state.seq + 1;
  const until = turn.now + 3 * config.timing.roundTimeoutMs;
  update(turn, {
    term,
    role: { name: 'succeeding', predecessor: from, term, seq, sentAt: turn.now, granted: 0, askedAt: turn.now, until },
  });
  turn.outputs.push({ kind: 'prepare', predecessor: from, until: until + config.timing.leaseMs });
  askForSuccession(turn);
}

/** Asks again under a new round number; promises are counted from the first asking, which is the careful side. */
function askForSuccession(turn: Turn): void {
  const role = turn.state.role as Extract<Role, { name: 'succeeding' }>;
  const round = nextRound(turn);
  update(turn, { role: { ...role, askedAt: turn.now } });
  if (requestAll(turn, { purpose: 'succeed', round, term: role.term })) receiveSuccession(turn, turn.state.config.self, round.seq);
}

export function tickSuccession(turn: Turn): void {
  const role = turn.state.role as Extract<Role, { name: 'succeeding' }>;
  if (turn.now >= role.until) return giveUpRound(turn);
  if (turn.now < role.askedAt + RESEND_MS) return;
  if (!hasMajority(turn.state.config, role.granted)) return askForSuccession(turn);
  update(turn, { role: { ...role, askedAt: turn.now } });
  sendReady(turn);
}

/** Counts a promise that starts to matter when the holder yields. */
export function receiveSuccession(turn: Turn, from: Member, seq: number): void {
  const { role, config } = turn.state;
  if (role.name !== 'succeeding' || seq < role.seq) return;
  const before = hasMajority(config, role.granted);
  update(turn, { role: { ...role, granted: role.granted | (1 << from) } });
  if (!before && hasMajority(config, role.granted | (1 << from))) sendReady(turn);
}

function sendReady(turn: Turn): void {
  const role = turn.state.role as Extract<Role, { name: 'succeeding' }>;
  const round = { boot: turn.state.boot, seq: role.seq };
  turn.outputs.push({ kind: 'send', to: role.predecessor, message: { kind: 'ready', round, term: role.term } });
}

/** The successor is ready: stop answering, and tell it only when the kernel has said that it is so. */
export function receiveReady(turn: Turn, from: Member, message: Extract<LeaseMessage, { kind: 'ready' }>): void {
  const { role } = turn.state;
  if (role.name !== 'holder' || role.handover?.successor !== from || turn.now >= role.leaseEnd) return;
  lose(turn, 'handed-over', { member: from, round: message.round, term: message.term });
}

/** The address is gone from this host, or the attempt failed. Only what is surely withdrawn is given back. */
export function receiveWithdrawn(turn: Turn, { ok }: { ok: boolean }): void {
  const { role, boot, seq, config } = turn.state;
  if (role.name !== 'withdrawing') return;
  if (!ok) return update(turn, { role: { ...role, retryAt: turn.now + WITHDRAW_AGAIN_MS } });
  const penalty = role.reason === 'hold-failed' ? 10 * config.timing.leaseMs : 0;
  if (role.successor !== undefined) {
    const { member: successor, round, term } = role.successor;
    update(turn, { yielding: { successor, round, term, resendAt: turn.now, until: turn.now + config.timing.leaseMs } });
    resendYield(turn);
  }
  update(turn, { role: { name: 'follower' }, standAt: turn.now + penalty + standDelayMs(turn) });
  giveBack(turn, { round: { boot, seq }, term: role.term });
}

export function resendYield(turn: Turn): void {
  const { yielding } = turn.state;
  if (yielding === undefined) return;
  if (turn.now >= yielding.until) return update(turn, { yielding: undefined });
  if (turn.now < yielding.resendAt) return;
  const { successor, round, term } = yielding;
  turn.outputs.push({ kind: 'send', to: successor, message: { kind: 'yield', round, term } });
  update(turn, { yielding: { ...yielding, resendAt: turn.now + RESEND_MS } });
}

/** The old holder has stopped: this member holds, on the promises it collected beforehand. */
export function receiveYield(turn: Turn, from: Member, message: Extract<LeaseMessage, { kind: 'yield' }>): void {
  const { role, config, boot } = turn.state;
  if (role.name !== 'succeeding' || role.predecessor !== from || message.term !== role.term) return;
  if (message.round.boot !== boot || message.round.seq !== role.seq || !hasMajority(config, role.granted)) return;
  becomeHolder(turn, { term: role.term, seq: role.seq, sentAt: role.sentAt, granted: role.granted, predecessor: from });
}
