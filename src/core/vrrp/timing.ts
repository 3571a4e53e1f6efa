import { DRIFT_BOUND } from '../lease/timing.ts';
import type { VrrpVersion } from './wire.ts';

/** How many intervals of silence make an Active dead (RFC 9568 section 6.1). */
const INTERVALS = 3;

interface SkewFacts {
  version: VrrpVersion;
  /** 1 to 255. */
  priority: number;
  /** Version 3: the interval that the Active tells. */
  activeAdverIntervalMs: number;
}

/** Skew_Time: the higher the priority, the sooner. RFC 9568 section 6.1; RFC 3768 section 6.1 counts in seconds whatever the interval. */
export function skewTimeMs({ version, priority, activeAdverIntervalMs }: SkewFacts): number {
  return ((256 - priority) * (version === 2 ? 1000 : activeAdverIntervalMs)) / 256;
}

/** Active_Down_Interval (RFC 9568 section 6.1; Master_Down_Interval of RFC 3768 section 6.1). */
export function activeDownIntervalMs(facts: SkewFacts): number {
  return INTERVALS * facts.activeAdverIntervalMs + skewTimeMs(facts);
}

/**
 * How long an Active may answer after the moment at which it began to send an advertisement. It ends before any backup that received that
 * advertisement takes over, even one without skew and with both clocks off by the bound in opposite directions.
 */
export function holdMs(advertiseIntervalMs: number, driftBound = DRIFT_BOUND): number {
  return (INTERVALS * advertiseIntervalMs * (1 - driftBound)) / (1 + driftBound);
}
