import type { TimingProfile } from '../lease/timing.ts';
import type { HealthTiming } from './health.ts';

/** How long connections under way may take to end on a host that handed the address over. */
export const DRAIN_GRACE_MS = 2000;
/** The kernel lets connections of a handed-over address speak this much longer than the grace time, so that their resets get out. */
export const RESET_MARGIN_MS = 500;

/** A crashed apiserver leaves the balancer at once. A hung one gets no new connections after about two intervals, and its clients are told within `hungMs` and one probe. */
export const healthProfiles: Record<TimingProfile, HealthTiming> = {
  fast: { intervalMs: 200, timeoutMs: 200, patienceMs: 4250, hungMs: 4000, fall: 2, rise: 2 },
  default: { intervalMs: 500, timeoutMs: 500, patienceMs: 4250, hungMs: 5000, fall: 3, rise: 2 },
  calm: { intervalMs: 2000, timeoutMs: 2000, patienceMs: 4250, hungMs: 15_000, fall: 3, rise: 2 },
};
