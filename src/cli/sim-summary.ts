import type { SimTally } from './sim-job.ts';

/** Failures named one by one. */
const NAMED_MAX = 20;

export interface SimSummary {
  seeds: number;
  simulatedMs: number;
  realMs: number;
  /** Simulated over processor time: what one core does. */
  ratio: number;
  violations: number;
  moves: number;
  maxRecoveryMs: number;
  maxHandoverGapMs: number;
  failedSeeds: number;
  failed: { seed: number; replay: string; text: string }[];
}

export function simSummary(sum: SimTally, run: { startedAt: number; drift: number | undefined; life: boolean }): SimSummary {
  const { startedAt, drift, life } = run;
  const failed = sum.failures.slice(0, NAMED_MAX).map(({ seed, violations }) => {
    const replay = `./hale sim --seed ${seed}${life ? ' --life' : ''}${drift === undefined ? '' : ` --drift ${drift}`}`;
    return { seed, replay, text: `seed ${seed}: ${violations[0]}; replay with: ${replay}` };
  });
  return {
    seeds: sum.seeds,
    simulatedMs: Math.round(sum.simulatedMs),
    realMs: Math.round(performance.now() - startedAt),
    ratio: sum.busyMs === 0 ? 0 : Math.round(sum.simulatedMs / sum.busyMs),
    violations: sum.violations,
    moves: sum.moves,
    maxRecoveryMs: Math.round(sum.maxRecoveryMs),
    maxHandoverGapMs: Math.round(sum.maxHandoverGapMs * 100) / 100,
    failedSeeds: sum.failures.length,
    failed,
  };
}

/** One line. */
export function shownSummary(summary: SimSummary): string {
  const { seeds, simulatedMs, realMs, ratio, violations, moves, maxRecoveryMs, maxHandoverGapMs, failedSeeds } = summary;
  return [
    `${seeds} ${seeds === 1 ? 'life' : 'lives'}`,
    `${duration(simulatedMs)} simulated in ${duration(realMs)} (${ratio} to 1 on each core)`,
    `${moves} changes of holder`,
    `recovery at most ${maxRecoveryMs} ms`,
    `hand-over at most ${maxHandoverGapMs} ms`,
    violations === 0 ? 'no violation' : `violations in ${failedSeeds}`,
  ].join(', ');
}

function duration(ms: number): string {
  const seconds = ms / 1000;
  const units: [number, string][] = [
    [365.25 * 86_400, 'years'],
    [86_400, 'days'],
    [3_600, 'h'],
  ];
  const fits = units.find(([size]) => seconds >= 2 * size);
  return fits === undefined ? `${seconds.toFixed(0)} s` : `${(seconds / fits[0]).toFixed(2)} ${fits[1]}`;
}
