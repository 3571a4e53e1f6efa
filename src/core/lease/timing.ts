/**
 * The largest rate error of any member's boot-time clock against real time that the lease tolerates, as a fraction.
 * NTP slews at most 500 ppm and cheap crystals stay within 100 ppm; 5,000 ppm leaves room for bad virtual machines.
 */
export const DRIFT_BOUND = 0.005;

export interface LeaseTiming {
  /** How long a granter keeps its promise, in ms of its own clock. */
  leaseMs: number;
  /** Time between two renewals of the holder. */
  renewMs: number;
  /** How long a candidate waits for answers of one round before it gives the round up. */
  roundTimeoutMs: number;
  /** Distance between the moments at which candidates of neighbouring rank stand. */
  staggerMs: number;
  /** Time between two heartbeats of a member. */
  heartbeatMs: number;
}

export type TimingProfile = 'fast' | 'default' | 'calm';

export const timingProfiles: Record<TimingProfile, LeaseTiming> = {
  fast: { leaseMs: 120, renewMs: 30, roundTimeoutMs: 12, staggerMs: 5, heartbeatMs: 250 },
  default: { leaseMs: 300, renewMs: 75, roundTimeoutMs: 25, staggerMs: 12, heartbeatMs: 500 },
  calm: { leaseMs: 1500, renewMs: 375, roundTimeoutMs: 150, staggerMs: 50, heartbeatMs: 1000 },
};

/**
 * How long a granter says nothing after its start: the longest lease of any profile, because the run before it may have promised under
 * another profile than its configuration has now.
 */
export const SILENCE_MS = Math.max(...Object.values(timingProfiles).map((timing) => timing.leaseMs));

/** How long a holder may count on a promise, from the moment it sent the request: with both clocks off by the bound in opposite directions it still ends before the granter's promise does. */
export function holdMs(timing: LeaseTiming, driftBound = DRIFT_BOUND): number {
  return (timing.leaseMs * (1 - driftBound)) / (1 + driftBound);
}
