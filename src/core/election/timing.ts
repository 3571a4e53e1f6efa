import { DRIFT_BOUND } from '../lease/timing.ts';

/** client-go's JitterFactor: followers wait between 1 and 2.2 retry periods, and the renew deadline must exceed 1.2 of them. */
export const JITTER_FACTOR = 1.2;

export interface ElectionTiming {
  /** How long candidates wait since they last saw the record change. Whole seconds: the record says it so. */
  durationMs: number;
  /** How long the owner may go without a renewal. */
  renewDeadlineMs: number;
  /** Time between two attempts. */
  retryMs: number;
}

export function electionTiming(lease: {
  durationSeconds: number;
  renewDeadlineSeconds: number;
  retryPeriodSeconds: number;
}): ElectionTiming {
  return {
    durationMs: lease.durationSeconds * 1000,
    renewDeadlineMs: lease.renewDeadlineSeconds * 1000,
    retryMs: lease.retryPeriodSeconds * 1000,
  };
}

/**
 * How long an owner may count on the record, from the moment it sent the write: the renew deadline, and never longer than others wait
 * with both clocks off by the bound in opposite directions.
 */
export function ownMs({ durationMs, renewDeadlineMs }: ElectionTiming, driftBound = DRIFT_BOUND): number {
  return Math.min(renewDeadlineMs, (durationMs * (1 - driftBound)) / (1 + driftBound));
}
