/** The state `active` of the virtual router (RFC 9568 section 6.4.3), and its lease. */
import { becomeBackup, enterBackup } from './backup.ts';
import { linkOf, type ReceivedAdvertisement } from './judge.ts';
import type { ActiveReason, HeardFrom, LostReason, VirtualRouterInput, VirtualRouterState } from './state.ts';
import { holdMs } from './timing.ts';
import { advertise, announce, decline, hasHeld, lose, type Turn, warn } from './turn.ts';
import { isGreaterAddress } from './wire.ts';

export const OWNER_PRIORITY = 255;
/** After the first, as announcements get lost; keepalived repeats after 5 s (`garp_master_delay`). */
const ANNOUNCE_AGAIN_MS: readonly number[] = [1000, 5000];
/** At least between two announcements against another Active. */
const ANNOUNCE_GAP_MS = 1000;
/** So many intervals back, an Active counts as one of now. */
const RECENT_INTERVALS = 3;

export function becomeActive(turn: Turn, reason: ActiveReason): void {
  Object.assign(turn.state, { phase: 'active', activeReason: reason, holdUntil: Number.NEGATIVE_INFINITY, announceAt: [], unsent: false });
  advertise(turn);
}

/** Only what went out makes others wait, so only that prolongs the lease. */
export function receiveSent(turn: Turn, { at, ok, reason }: Extract<VirtualRouterInput, { kind: 'sent' }>): void {
  const { state, now, outputs } = turn;
  if (reason !== undefined) warn(turn, { kind: 'send-failed', reason });
  if (state.phase !== 'active') return;
  const until = at + holdMs(state.config.advertiseIntervalMs);
  const isFirst = !hasHeld(turn);
  state.unsent = !ok;
  if (!ok || now >= until) {
    if (isFirst) enterBackup(turn, state.config.advertiseIntervalMs);
    return;
  }
  state.holdUntil = until;
  outputs.push({ kind: 'hold', until });
  if (!isFirst) return;
  announce(turn);
  state.announceAt = ANNOUNCE_AGAIN_MS.map((afterMs) => now + afterMs);
  outputs.push({ kind: 'became-active', reason: state.activeReason });
}

/** Section 6.4.3. */
export function receiveInActive(turn: Turn, input: ReceivedAdvertisement): void {
  const { state, now } = turn;
  const { from, message } = input;
  if (message.priority === 0) return advertise(turn);
  if (message.priority > state.priority || (message.priority === state.priority && losesTie(turn, input))) {
    lose(turn, 'preempted', { from, priority: message.priority });
    return becomeBackup(turn, message.maxAdvertiseIntervalMs);
  }
  decline(turn, input, 'lower-priority');
  warn(turn, { kind: 'several-active', actives: [linkOf(state.config, input).source, from] });
  // Two that both believe to be the greater, because they do not hear all of each other, must not answer each other without end.
  if (now < state.assertedAt + state.config.advertiseIntervalMs / 2) return;
  state.assertedAt = now;
  advertise(turn);
  // Neighbours may have believed the other.
  if (hasHeld(turn) && now >= state.announcedAt + ANNOUNCE_GAP_MS) announce(turn);
}

/** By the first link as long as it is heard there: the links must not disagree, or both hosts would yield. */
function losesTie({ state, now }: Turn, input: HeardFrom): boolean {
  if (input.link > 0 && now <= (state.heard[0]?.at ?? Number.NEGATIVE_INFINITY) + recentMs(state)) return false;
  return isGreaterAddress(input.from, linkOf(state.config, input).source);
}

/** Tells others that they may begin, and serves on until one does: at the latest until its lease ends, as they know it. */
export function resign(turn: Turn, reason: LostReason): void {
  const { state, outputs, now } = turn;
  if (state.phase === 'active') {
    outputs.push({ kind: 'send', priority: 0, at: now });
    Object.assign(state, { advertiseAt: Number.POSITIVE_INFINITY, announceAt: [], resigning: hasHeld(turn) ? reason : undefined });
  }
  state.phase = 'initialize';
}

/** Another router is Active, or this one begins anew. */
export function endResigning(turn: Turn, by?: { from: string; priority: number }): void {
  const { state } = turn;
  if (state.resigning === undefined) return;
  lose(turn, state.resigning, by);
  state.resigning = undefined;
}

/** The kernel does not serve: withdraws before it tells others that they may begin. */
export function giveUp(turn: Turn, reason: LostReason): void {
  const { state, outputs, now } = turn;
  lose(turn, reason);
  outputs.push({ kind: 'send', priority: 0, at: now });
  state.phase = 'initialize';
}

export function endLate(turn: Turn): void {
  const { state } = turn;
  if (state.resigning !== undefined) return endResigning(turn);
  lose(turn, state.unsent ? 'not-sent' : 'late');
  if (state.priority === OWNER_PRIORITY) becomeActive(turn, 'priority');
  else becomeBackup(turn, state.config.advertiseIntervalMs);
}

/** How long ago an Active may have been heard and still counts. */
export function recentMs({ config, activeAdverIntervalMs }: VirtualRouterState): number {
  return RECENT_INTERVALS * Math.max(config.advertiseIntervalMs, activeAdverIntervalMs);
}
