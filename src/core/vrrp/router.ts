/**
 * The virtual router: RFC 9568 section 6.4 (version 3), RFC 3768 section 6.4 (version 2, where Active is called Master).
 *
 *   initialize --priority > 0, start-up delay over--> backup     (6.4.1; with priority 255 --> active)
 *   backup --Active_Down_Timer fires--> active                   (6.4.2)
 *   active --higher priority, or equal and greater address--> backup (6.4.3)
 *   active --the lease ends: frozen, or nothing could be sent--> backup (not in the RFC; priority 255 starts again)
 *   backup, active --priority 0, shutdown, the kernel refuses--> initialize
 *
 * One state for all links, as in a sync group of keepalived: it speaks on each of them, and what is heard on any counts.
 *
 * Each advertisement that went out is a lease: the kernel answers for the addresses until three intervals after its sending, less the drift
 * of clocks, and no longer. A backup that received it waits at least that long. So an Active that is stopped or frozen has ended before
 * another begins, and when it wakes it listens first. What no timer helps against is a link that loses messages: VRRP has no quorum.
 */
import { unreachable } from '../../base/assert.ts';
import type { Machine } from '../machine.ts';
import { judgeAdvertisement, judgeMalformed, linkOf, type ReceivedAdvertisement } from './judge.ts';
import type {
  ActiveReason,
  AdvertisementDeclined,
  HeardFrom,
  LostReason,
  VirtualRouterConfig,
  VirtualRouterInput,
  VirtualRouterOutput,
  VirtualRouterState,
  VrrpWarning,
} from './state.ts';
import { activeDownIntervalMs, holdMs, skewTimeMs } from './timing.ts';
import { isGreaterAddress } from './wire.ts';

interface Turn {
  readonly now: number;
  readonly state: VirtualRouterState;
  readonly outputs: VirtualRouterOutput[];
}

export const OWNER_PRIORITY = 255;
/** After the first, as announcements get lost; keepalived repeats after 5 s (`garp_master_delay`). */
const ANNOUNCE_AGAIN_MS: readonly number[] = [1000, 5000];
/** At least between two announcements against another Active. */
const ANNOUNCE_GAP_MS = 1000;
const WARNING_GAP_MS = 60_000;
/** How long a host whose kernel refused the address leaves it to others. */
const HOLD_RETRY_MS = 10_000;
/** So many intervals back, an Active counts as one of now. */
const RECENT_INTERVALS = 3;

/** In `initialize`, with priority 0. */
export function createVirtualRouter(config: VirtualRouterConfig, now: number): VirtualRouterState {
  return {
    config,
    phase: 'initialize',
    priority: 0,
    shutDown: false,
    startAt: now + config.startupDelayMs,
    silence: { since: now, after: 'interval', late: false },
    activeAdverIntervalMs: config.advertiseIntervalMs,
    lowerSince: undefined,
    heard: config.links.map(() => undefined),
    advertiseAt: Number.POSITIVE_INFINITY,
    unsent: false,
    holdUntil: Number.NEGATIVE_INFINITY,
    activeReason: 'no-response',
    announceAt: [],
    announcedAt: Number.NEGATIVE_INFINITY,
    warnedAt: {},
  };
}

/** Whether this router may answer for the addresses at this time, however long ago its last step was. */
export function holds({ holdUntil }: VirtualRouterState, now: number): boolean {
  return now < holdUntil;
}

export const virtualRouter: Machine<VirtualRouterState, VirtualRouterInput, VirtualRouterOutput> = {
  step(state, input, now) {
    const turn: Turn = { now, state: { ...state }, outputs: [] };
    // A lease that has ended is gone before anything else is looked at, however late this step comes.
    if (hasHeld(turn) && !holds(turn.state, now)) endLate(turn);
    receive(turn, input);
    act(turn);
    return { state: turn.state, outputs: turn.outputs };
  },

  wakeAt(state) {
    const { phase, priority, shutDown, startAt, advertiseAt, holdUntil, announceAt } = state;
    if (phase === 'backup') return activeDownAt(state);
    if (phase === 'initialize') return priority === 0 || shutDown ? Number.POSITIVE_INFINITY : startAt;
    const end = holdUntil === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : holdUntil;
    return Math.min(advertiseAt, end, ...announceAt);
  },
};

function receive(turn: Turn, input: VirtualRouterInput): void {
  const { state, now } = turn;
  switch (input.kind) {
    case 'tick':
      return;
    case 'malformed': {
      const { declined, warnings } = judgeMalformed(state.config, input);
      for (const warning of warnings) warn(turn, warning);
      return decline(turn, input, declined ?? input.reason);
    }
    case 'advertisement':
      return receiveAdvertisement(turn, input);
    case 'priority':
      state.priority = input.priority;
      if (input.priority === 0) return resign(turn, 'unfit');
      if (input.priority === OWNER_PRIORITY && state.phase === 'backup') becomeActive(turn, 'priority');
      return;
    case 'shutdown':
      state.shutDown = true;
      return resign(turn, 'shutdown');
    case 'sent':
      return receiveSent(turn, input);
    case 'hold-failed':
      if (state.phase !== 'active') return;
      state.startAt = now + HOLD_RETRY_MS;
      return resign(turn, 'hold-failed');
    default:
      unreachable(input);
  }
}

/** What is due by now. */
function act(turn: Turn): void {
  const { state, now } = turn;
  if (state.phase === 'initialize') {
    if (state.priority > 0 && !state.shutDown && now >= state.startAt) start(turn);
  } else if (state.phase === 'backup') {
    if (now >= activeDownAt(state)) endSilence(turn);
  } else {
    if (now >= state.advertiseAt) advertise(turn);
    if (!state.announceAt.some((at) => now >= at)) return;
    state.announceAt = state.announceAt.filter((at) => now < at);
    announce(turn);
  }
}

/** Section 6.4.1. */
function start(turn: Turn): void {
  if (turn.state.priority === OWNER_PRIORITY) becomeActive(turn, 'priority');
  else becomeBackup(turn, turn.state.config.advertiseIntervalMs);
}

/** The Active_Down_Timer fires (section 6.4.2). */
function endSilence(turn: Turn): void {
  const { state, now } = turn;
  // Long over: this process slept, and what it did not hear may wait to be read.
  if (!state.silence.late && now - activeDownAt(state) > state.activeAdverIntervalMs)
    state.silence = { since: now, after: 'skew', late: true };
  else becomeActive(turn, state.activeReason);
}

function activeDownAt({ config, priority, silence, activeAdverIntervalMs }: VirtualRouterState): number {
  const facts = { version: config.version, priority, activeAdverIntervalMs };
  return silence.since + (silence.after === 'skew' ? skewTimeMs(facts) : activeDownIntervalMs(facts));
}

function receiveAdvertisement(turn: Turn, input: ReceivedAdvertisement): void {
  const { state } = turn;
  const { declined, warnings } = judgeAdvertisement(state.config, input);
  for (const warning of warnings) warn(turn, warning);
  if (declined !== undefined) return decline(turn, input, declined);
  if (state.phase === 'initialize') return decline(turn, input, 'initialize');
  if (input.message.priority > 0) noteActive(turn, input);
  if (state.phase === 'backup') receiveInBackup(turn, input);
  else receiveInActive(turn, input);
}

/** Section 6.4.2. */
function receiveInBackup(turn: Turn, input: ReceivedAdvertisement): void {
  const { state, now } = turn;
  const { config } = state;
  const { priority } = input.message;
  if (priority === 0) {
    state.silence = { since: now, after: 'skew', late: false };
    state.activeReason = 'resigned';
    return;
  }
  state.lowerSince = priority < state.priority ? (state.lowerSince ?? now) : undefined;
  const isUnfit = priority < config.unfitBelow && state.priority >= config.unfitBelow;
  const preempts = isUnfit || (config.preempt && state.lowerSince !== undefined && now >= state.lowerSince + config.preemptDelayMs);
  if (preempts) {
    // What cannot serve is not waited for: its place is as good as free.
    if (isUnfit && state.silence.after === 'interval') state.silence = { since: now, after: 'skew', late: false };
    state.activeReason = 'preempted';
    return decline(turn, input, 'lower-priority');
  }
  followActive(turn, input.message.maxAdvertiseIntervalMs);
}

function followActive({ state, now }: Turn, activeAdverIntervalMs: number): void {
  Object.assign(state, { activeAdverIntervalMs, activeReason: 'no-response', silence: { since: now, after: 'interval', late: false } });
}

/** Section 6.4.3. */
function receiveInActive(turn: Turn, input: ReceivedAdvertisement): void {
  const { state, now } = turn;
  const { from, message } = input;
  if (message.priority === 0) return advertise(turn);
  if (message.priority > state.priority || (message.priority === state.priority && winsTie(turn, input))) {
    lose(turn, 'preempted', { from, priority: message.priority });
    return becomeBackup(turn, message.maxAdvertiseIntervalMs);
  }
  decline(turn, input, 'lower-priority');
  warn(turn, { kind: 'several-active', actives: [linkOf(state.config, input).source, from] });
  advertise(turn);
  // Neighbours may have believed the other.
  if (hasHeld(turn) && now >= state.announcedAt + ANNOUNCE_GAP_MS) announce(turn);
}

/** By the first link as long as it is heard there: the links must not disagree, or both hosts would yield. */
function winsTie({ state, now }: Turn, input: HeardFrom): boolean {
  if (input.link > 0 && now <= (state.heard[0]?.at ?? Number.NEGATIVE_INFINITY) + recentMs(state)) return false;
  return isGreaterAddress(input.from, linkOf(state.config, input).source);
}

/** One that is heard, then another, then the first again: neither yields to the other. */
function noteActive(turn: Turn, { link, from, message: { priority } }: ReceivedAdvertisement): void {
  const { state, now } = turn;
  const last = state.heard[link];
  if (last !== undefined && last.from !== from && last.before?.from === from && now <= last.before.at + recentMs(state)) {
    warn(turn, { kind: 'several-active', actives: [from, last.from] });
  }
  const before = last?.from === from ? last.before : last && { from: last.from, at: last.at };
  state.heard = state.heard.with(link, { from, priority, at: now, before });
}

function recentMs({ config, activeAdverIntervalMs }: VirtualRouterState): number {
  return RECENT_INTERVALS * Math.max(config.advertiseIntervalMs, activeAdverIntervalMs);
}

function becomeActive(turn: Turn, reason: ActiveReason): void {
  Object.assign(turn.state, { phase: 'active', activeReason: reason, holdUntil: Number.NEGATIVE_INFINITY, announceAt: [], unsent: false });
  advertise(turn);
}

function becomeBackup(turn: Turn, activeAdverIntervalMs: number): void {
  Object.assign(turn.state, { phase: 'backup', lowerSince: undefined });
  followActive(turn, activeAdverIntervalMs);
  turn.outputs.push({ kind: 'became-backup' });
}

function advertise({ state, now, outputs }: Turn): void {
  state.advertiseAt = now + state.config.advertiseIntervalMs;
  outputs.push({ kind: 'send', priority: state.priority, at: now });
}

/** Only what went out makes others wait, so only that prolongs the lease. */
function receiveSent(turn: Turn, { at, ok, reason }: Extract<VirtualRouterInput, { kind: 'sent' }>): void {
  const { state, now, outputs } = turn;
  if (reason !== undefined) warn(turn, { kind: 'send-failed', reason });
  if (state.phase !== 'active') return;
  const until = at + holdMs(state.config.advertiseIntervalMs);
  const isFirst = !hasHeld(turn);
  state.unsent = !ok;
  if (!ok || now >= until) {
    if (isFirst) becomeBackup(turn, state.config.advertiseIntervalMs);
    return;
  }
  state.holdUntil = until;
  outputs.push({ kind: 'hold', until });
  if (!isFirst) return;
  announce(turn);
  state.announceAt = ANNOUNCE_AGAIN_MS.map((afterMs) => now + afterMs);
  outputs.push({ kind: 'became-active', reason: state.activeReason });
}

/** Withdraws before it tells others that they may begin. */
function resign(turn: Turn, reason: LostReason): void {
  const { state, outputs, now } = turn;
  if (state.phase === 'active') {
    lose(turn, reason);
    outputs.push({ kind: 'send', priority: 0, at: now });
  }
  state.phase = 'initialize';
}

function endLate(turn: Turn): void {
  const { state } = turn;
  lose(turn, state.unsent ? 'not-sent' : 'late');
  if (state.priority === OWNER_PRIORITY) becomeActive(turn, 'priority');
  else becomeBackup(turn, state.config.advertiseIntervalMs);
}

function lose(turn: Turn, reason: LostReason, by?: { from: string; priority: number }): void {
  const { state, outputs } = turn;
  const held = hasHeld(turn);
  Object.assign(state, { holdUntil: Number.NEGATIVE_INFINITY, announceAt: [], advertiseAt: Number.POSITIVE_INFINITY });
  if (held) outputs.push({ kind: 'withdraw' }, { kind: 'lost', reason, ...(by && { by }) });
}

function hasHeld({ state }: Turn): boolean {
  return state.holdUntil !== Number.NEGATIVE_INFINITY;
}

function announce({ state, now, outputs }: Turn): void {
  state.announcedAt = now;
  outputs.push({ kind: 'announce' });
}

function warn({ state, now, outputs }: Turn, warning: VrrpWarning): void {
  const last = state.warnedAt[warning.kind];
  if (last !== undefined && now < last + WARNING_GAP_MS) return;
  state.warnedAt = { ...state.warnedAt, [warning.kind]: now };
  outputs.push({ kind: 'warned', warning });
}

function decline({ outputs }: Turn, { link, from }: HeardFrom, reason: AdvertisementDeclined): void {
  outputs.push({ kind: 'declined', reason, link, from });
}
