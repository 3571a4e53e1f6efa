import { CLUSTER, type EtcdJudgement, judging } from './judgement.ts';

/** What writes of a bounded load took, in milliseconds; null where none succeeded. */
export interface LatencyResult {
  puts: number;
  failed: number;
  firstFailure: string | null;
  p50Ms: number | null;
  p99Ms: number | null;
  maxMs: number | null;
  /** Of the keys that could not be deleted, and when they go by themselves. */
  leftover: string | null;
}

/** Why no load was put on the cluster. */
export interface LatencySkipped {
  skipped: string;
}

/** `limitMs`: longest 99th percentile (`thresholds.etcdRequestP99Ms`). */
export function judgeLatency(result: LatencyResult | LatencySkipped, limitMs: number): EtcdJudgement[] {
  const about = judging('latency', CLUSTER);
  if ('skipped' in result) return [about.notJudged(`writes were not timed: ${result.skipped}`)];
  const { puts, failed, firstFailure, p50Ms, p99Ms, maxMs } = result;
  const found: EtcdJudgement[] = [];
  if (failed > 0) {
    found.push(
      about.finding({
        severity: 'critical',
        value: `${failed} of ${puts}`,
        says: `${failed} of ${puts} writes failed: ${firstFailure ?? ''}`,
        why: 'API servers fail in the same way',
        remedy: 'see the reason, and the other findings',
      }),
    );
  }
  if (p99Ms === null || p50Ms === null) return found.length > 0 ? found : [about.notJudged('no write was timed')];
  const says = `a write of 1 KiB takes ${ms(p50Ms)} in the middle, ${ms(p99Ms)} at the 99th percentile and ${ms(maxMs ?? p99Ms)} at most, of ${puts - failed}`;
  if (p99Ms <= limitMs) return [...found, about.good(says, ms(p99Ms))];
  return [
    ...found,
    about.finding({
      severity: 'warning',
      value: ms(p99Ms),
      says: `${says}; allowed are ${limitMs} ms at the 99th percentile`,
      why: 'every change in Kubernetes waits so long, several times over',
      remedy: "see the findings about disks and round trips; else the leader's processors are busy, or those of the members that answer it",
    }),
  ];
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
