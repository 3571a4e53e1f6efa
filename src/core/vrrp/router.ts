/**
 * The virtual router: RFC 9568 section 6.4 (version 3), RFC 3768 section 6.4 (version 2, where Active is called Master).
 *
 *   initialize --priority > 0, start-up delay over--> backup     (6.4.1; with priority 255 --> active)
 *   backup --Active_Down_Timer fires--> active                   (6.4.2)
 *   active --higher priority, or equal and greater address--> backup (6.4.3)
 *   active --the lease ends: frozen, or nothing could be sent--> backup (not in the RFC; priority 255 starts again)
 *   backup, active --priority 0, shutdown, the kernel refuses--> initialize
 *   initialize, resigning --another is heard as Active, the lease ends--> initialize, the addresses withdrawn (not in the RFC)
 *
 * One state for all links, as in a sync group of keepalived: it speaks on each of them, and what is heard on any counts.
 *
 * Each advertisement that went out is a lease: the kernel answers for the addresses until three intervals after its sending, less the drift
 * of clocks, and no longer. A backup that received it waits at least that long. So an Active that is stopped or frozen has ended before
 * another begins, and when it wakes it listens first. One that resigns serves on for what is left of its lease, so that nothing is lost until
 * its successor speaks. What no timer helps against is a link that loses messages: VRRP has no quorum.
 */
import { unreachable } from '../../base/assert.ts';
import type { Machine } from '../machine.ts';
import { becomeActive, endLate, endResigning, giveUp, OWNER_PRIORITY, receiveInActive, receiveSent, recentMs, resign } from './active.ts';
import { becomeBackup, endSilence, receiveInBackup, wakeInBackup } from './backup.ts';
import { judgeAdvertisement, judgeMalformed, type ReceivedAdvertisement } from './judge.ts';
import type { VirtualRouterConfig, VirtualRouterInput, VirtualRouterOutput, VirtualRouterState } from './state.ts';
import { advertise, announce, decline, hasHeld, type Turn, warn } from './turn.ts';

/** How long a host whose kernel refused the address leaves it to others. */
const HOLD_RETRY_MS = 10_000;

/** In `initialize`, with priority 0. */
export function createVirtualRouter(config: VirtualRouterConfig, now: number): VirtualRouterState {
  return {
    config,
    phase: 'initialize',
    priority: 0,
    shutDown: false,
    startAt: now + config.startupDelayMs,
    silence: { since: now, after: 'interval', foundOverAt: undefined },
    activeAdverIntervalMs: config.advertiseIntervalMs,
    lowerSince: undefined,
    heard: config.links.map(() => undefined),
    advertiseAt: Number.POSITIVE_INFINITY,
    assertedAt: Number.NEGATIVE_INFINITY,
    unsent: false,
    holdUntil: Number.NEGATIVE_INFINITY,
    resigning: undefined,
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
    if (phase === 'backup') return wakeInBackup(state);
    const end = holdUntil === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : holdUntil;
    if (phase === 'initialize') return priority === 0 || shutDown ? end : Math.min(end, startAt);
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
      endResigning(turn);
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
      return giveUp(turn, 'hold-failed');
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
    if (now >= wakeInBackup(state) && endSilence(turn)) becomeActive(turn, state.activeReason);
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

function receiveAdvertisement(turn: Turn, input: ReceivedAdvertisement): void {
  const { state } = turn;
  const { declined, warnings } = judgeAdvertisement(state.config, input);
  for (const warning of warnings) warn(turn, warning);
  if (declined !== undefined) return decline(turn, input, declined);
  if (input.message.priority > 0) noteActive(turn, input);
  if (state.phase === 'initialize') {
    if (input.message.priority > 0) endResigning(turn, { from: input.from, priority: input.message.priority });
    return decline(turn, input, 'initialize');
  }
  if (state.phase === 'backup') receiveInBackup(turn, input);
  else receiveInActive(turn, input);
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
