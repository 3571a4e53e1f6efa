import { type EtcdFigures, type EtcdLatency, SAMPLES_MIN } from './figures.ts';

/** What etcd asks of a disk at the 99th percentile, in milliseconds (etcd.io, "FAQ: What does the etcd warning … mean?"). */
const FSYNC_P99_MS = 10;
const COMMIT_P99_MS = 25;

export interface DiskVerdict {
  /** `unknown`: too few writes to tell. */
  verdict: 'good' | 'slow' | 'unknown';
  /** In a sentence without the member. */
  says: string;
}

/** Whether a member's disk is fast enough for etcd. */
export function judgeDisk({ fsync, commit, windowSeconds }: Pick<EtcdFigures, 'fsync' | 'commit' | 'windowSeconds'>): DiskVerdict {
  const over = windowText(windowSeconds);
  const parts = [
    { what: 'fsync of the log', latency: fsync, limitMs: FSYNC_P99_MS },
    { what: 'commit of the database', latency: commit, limitMs: COMMIT_P99_MS },
  ];
  const slow = parts.filter(({ latency: { p99Ms }, limitMs }) => p99Ms !== null && p99Ms > limitMs);
  if (slow.length > 0) {
    const found = slow.map(
      ({ what, latency: { p99Ms }, limitMs }) => `${what} takes ${p99Ms} ms at the 99th percentile (etcd asks for less than ${limitMs} ms)`,
    );
    return { verdict: 'slow', says: `${found.join(', ')}, ${over}` };
  }
  const few = parts.filter(({ latency }) => latency.p99Ms === null);
  if (few.length > 0) {
    const counted = few.map(({ what, latency }) => `${samplesText(latency)} of ${what}`);
    return { verdict: 'unknown', says: `too few samples for a verdict, ${over}: ${counted.join(', ')}, ${SAMPLES_MIN} are needed` };
  }
  const found = parts.map(({ what, latency: { p99Ms } }) => `${what} takes ${p99Ms} ms`);
  return { verdict: 'good', says: `${found.join(', ')} at the 99th percentile, ${over}` };
}

/** Over which time figures were counted. */
export function windowText(windowSeconds: number | null): string {
  return windowSeconds === null ? 'since the member started' : `over the last ${windowSeconds.toFixed(1)} s`;
}

function samplesText({ samples }: EtcdLatency): string {
  return samples === 0 ? 'none' : `${samples}`;
}
