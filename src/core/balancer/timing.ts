import type { TimingProfile } from '../lease/timing.ts';
import type { HealthTiming } from './health.ts';

/** How long connections under way may take to end on a host that handed the address over. */
export const DRAIN_GRACE_MS = 2000;

/** A hung apiserver leaves the balancer after about `fall` times interval and time-out, a crashed one at once. */
export const healthProfiles: Record<TimingProfile, HealthTiming> = {
  fast: { intervalMs: 200, timeoutMs: 200, fall: 2, rise: 2 },
  default: { intervalMs: 500, timeoutMs: 500, fall: 3, rise: 2 },
  calm: { intervalMs: 2000, timeoutMs: 2000, fall: 3, rise: 2 },
};
