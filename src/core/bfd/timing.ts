/** Timers of a session: RFC 5880 sections 6.5, 6.8.2 to 6.8.4, 6.8.7. Microseconds are those of packets, milliseconds those of the clock. */
import { drawFrom } from '../../base/random.ts';
import type { SessionState } from './variables.ts';

/** Least interval of a session that is not Up (section 6.8.3). */
const SLOW_US = 1_000_000;
const INTERVAL_US_MAX = 0xffff_ffff;

/** Makes what is announced what is asked for, unless a Poll Sequence is under way, whose Final would not tell which values it is about. */
export function announce(state: SessionState, { despitePoll = false } = {}): void {
  const { timers } = state;
  state.multiplier = timers.multiplier;
  if (state.poll !== 'none' && !despitePoll) return;
  const isUp = state.state === 'Up';
  const desiredMinTxUs = Math.max(microseconds(timers.transmitMs), isUp ? 0 : SLOW_US);
  const requiredMinRxUs = microseconds(timers.receiveMs);
  const changed = desiredMinTxUs !== state.desiredMinTxUs || requiredMinRxUs !== state.requiredMinRxUs;
  Object.assign(state, { desiredMinTxUs, requiredMinRxUs });
  // Faster at once, slower only when the peer knows; the peer's silence is judged by its old pace until it knows the new one.
  state.inUse = {
    minTxUs: isUp ? Math.min(state.inUse.minTxUs, desiredMinTxUs) : desiredMinTxUs,
    minRxUs: isUp ? Math.max(state.inUse.minRxUs, requiredMinRxUs) : requiredMinRxUs,
  };
  // Nobody is there to be asked while the peer is unknown.
  if (changed && state.remote.discriminator !== 0) state.poll = 'wanted';
}

/** The peer has answered, or is gone. */
export function finishPoll(state: SessionState): void {
  state.poll = 'settling';
  state.inUse = { minTxUs: state.desiredMinTxUs, minRxUs: state.requiredMinRxUs };
}

/** The part of the interval that is waited before the next packet: 75 to 100 %, with a multiplier of 1 at most 90 % (section 6.8.7). */
export function drawJitter(state: SessionState): void {
  const { next, fraction } = drawFrom(state.jitter);
  state.jitter = next;
  state.jitterFactor = 0.75 + (state.multiplier === 1 ? 0.15 : 0.25) * fraction;
}

/** Between our packets, before jitter. */
export function transmitIntervalMs({ inUse, remote }: SessionState): number {
  return Math.max(inUse.minTxUs, remote.minRxUs) / 1000;
}

/** Between the peer's packets, before its jitter. */
export function receiveIntervalMs({ inUse, remote }: SessionState): number {
  return Math.max(inUse.minRxUs, remote.minTxUs) / 1000;
}

/** By the peer's multiplier and the slower of its wish to send and ours to receive (section 6.8.4); 0 while nothing is known of it. */
export function detectionTimeMs(state: SessionState): number {
  return state.remote.multiplier * receiveIntervalMs(state);
}

/** What the peer waits for us before it takes the session down. */
export function remoteDetectionTimeMs(state: SessionState): number {
  return state.multiplier * transmitIntervalMs(state);
}

/** When a peer that stays silent is gone; Infinity when there is none. */
export function detectionEndsAt(state: SessionState): number {
  return state.heardAt === undefined ? Number.POSITIVE_INFINITY : state.heardAt + detectionTimeMs(state);
}

/** When the next periodic packet is due; Infinity when there is none to be (section 6.8.7). */
export function transmitsAt(state: SessionState): number {
  const { config, remote, poll } = state;
  const isUnknownToPassive = config.role === 'passive' && remote.discriminator === 0;
  const isNotAsked = isDemandActive(state) && poll !== 'wanted' && poll !== 'sent';
  if (remote.minRxUs === 0 || isUnknownToPassive || isNotAsked) return Number.POSITIVE_INFINITY;
  return state.sentAt + transmitIntervalMs(state) * state.jitterFactor;
}

/** Section 6.6: the peer wants no periodic packets. */
export function isDemandActive({ state, remote }: SessionState): boolean {
  return remote.demand && state === 'Up' && remote.state === 'Up';
}

function microseconds(ms: number): number {
  return Math.min(Math.max(1, Math.round(ms * 1000)), INTERVAL_US_MAX);
}
