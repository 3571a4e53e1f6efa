/** The state `backup` of the virtual router (RFC 9568 section 6.4.2) and its Active_Down_Timer. */
import type { ReceivedAdvertisement } from './judge.ts';
import type { VirtualRouterState } from './state.ts';
import { activeDownIntervalMs, skewTimeMs } from './timing.ts';
import { decline, type Turn } from './turn.ts';

/** For one turn of an event loop, in which sockets are read. */
const LAST_LOOK_MS = 1;
/** A timer that is later than this, and than an interval, is that of a process that slept. */
const LATE_MIN_MS = 100;

export function enterBackup(turn: Turn, activeAdverIntervalMs: number): void {
  Object.assign(turn.state, { phase: 'backup', lowerSince: undefined });
  followActive(turn, activeAdverIntervalMs);
}

export function becomeBackup(turn: Turn, activeAdverIntervalMs: number): void {
  enterBackup(turn, activeAdverIntervalMs);
  turn.outputs.push({ kind: 'became-backup' });
}

/** Section 6.4.2. */
export function receiveInBackup(turn: Turn, input: ReceivedAdvertisement): void {
  const { state, now } = turn;
  const { config } = state;
  const { priority } = input.message;
  if (priority === 0) {
    state.activeReason = 'resigned';
    return listenAnew(turn, 'skew');
  }
  state.lowerSince = priority < state.priority ? (state.lowerSince ?? now) : undefined;
  const isUnfit = priority < config.unfitBelow && state.priority >= config.unfitBelow;
  const preempts = isUnfit || (config.preempt && state.lowerSince !== undefined && now >= state.lowerSince + config.preemptDelayMs);
  if (preempts) {
    // What cannot serve is not waited for: its place is as good as free.
    if (isUnfit && state.silence.after === 'interval') listenAnew(turn, 'skew');
    state.activeReason = 'preempted';
    return decline(turn, input, 'lower-priority');
  }
  followActive(turn, input.message.maxAdvertiseIntervalMs);
}

function followActive(turn: Turn, activeAdverIntervalMs: number): void {
  Object.assign(turn.state, { activeAdverIntervalMs, activeReason: 'no-response' });
  listenAnew(turn, 'interval');
}

/**
 * The Active_Down_Timer fires (section 6.4.2). A process that was stopped finds its timers over before it has read what came meanwhile: so it
 * reads once more, and one that slept long, which may have lost what came, listens anew. True when it is really over.
 */
export function endSilence(turn: Turn): boolean {
  const { state, now } = turn;
  const { foundOverAt } = state.silence;
  const lateMs = now - (foundOverAt ?? activeDownAt(state));
  if (lateMs > Math.max(state.activeAdverIntervalMs, LATE_MIN_MS)) listenAnew(turn, 'interval');
  else if (foundOverAt === undefined) state.silence = { ...state.silence, foundOverAt: now };
  else return true;
  return false;
}

function listenAnew({ state, now }: Turn, after: 'interval' | 'skew'): void {
  state.silence = { since: now, after, foundOverAt: undefined };
}

export function wakeInBackup(state: VirtualRouterState): number {
  const { foundOverAt } = state.silence;
  return foundOverAt === undefined ? activeDownAt(state) : foundOverAt + LAST_LOOK_MS;
}

function activeDownAt({ config, priority, silence, activeAdverIntervalMs }: VirtualRouterState): number {
  const facts = { version: config.version, priority, activeAdverIntervalMs };
  return silence.since + (silence.after === 'skew' ? skewTimeMs(facts) : activeDownIntervalMs(facts));
}
