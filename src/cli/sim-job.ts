import type { Scenario } from '../sim/scenario.ts';

/** What the threads of `hale sim` are told and tell. */
export interface SimJob {
  firstSeed: number;
  count: number;
  drift: number | undefined;
  /** Long lives instead of short, hard ones. */
  life: boolean;
}

export interface SimFailure {
  seed: number;
  violations: string[];
  /** Shrunk; only for the first failures. */
  scenario: Scenario | undefined;
  trace: string[];
}

export interface SimTally {
  seeds: number;
  simulatedMs: number;
  /** Processor time of the thread. */
  busyMs: number;
  violations: number;
  moves: number;
  maxRecoveryMs: number;
  maxHandoverGapMs: number;
  failures: SimFailure[];
}

export function emptyTally(): SimTally {
  return { seeds: 0, simulatedMs: 0, busyMs: 0, violations: 0, moves: 0, maxRecoveryMs: 0, maxHandoverGapMs: 0, failures: [] };
}

export function addTally(sum: SimTally, part: SimTally): void {
  sum.seeds += part.seeds;
  sum.simulatedMs += part.simulatedMs;
  sum.busyMs += part.busyMs;
  sum.violations += part.violations;
  sum.moves += part.moves;
  sum.maxRecoveryMs = Math.max(sum.maxRecoveryMs, part.maxRecoveryMs);
  sum.maxHandoverGapMs = Math.max(sum.maxHandoverGapMs, part.maxHandoverGapMs);
  sum.failures.push(...part.failures);
}
