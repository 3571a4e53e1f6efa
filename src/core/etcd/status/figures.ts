import { histogramQuantile, observations, type Buckets, type Quantile } from '../../prometheus/histogram.ts';
import { gauge, grown } from '../../prometheus/scrape.ts';
import type { EtcdMetricName, EtcdScrape } from './metrics.ts';

/** Below so many samples a 99th percentile is the longest of a few, and says nothing. */
export const SAMPLES_MIN = 100;

export interface EtcdLatency {
  samples: number;
  /** Milliseconds; null of nothing. */
  p50Ms: number | null;
  /** Null with fewer than SAMPLES_MIN. */
  p99Ms: number | null;
}

/** What a member counted over a window, or since its start. Null where it does not serve the metric. */
export interface EtcdFigures {
  /** Null: since the start of the member. */
  windowSeconds: number | null;
  /** Unix time in seconds. */
  startedAt: number | null;
  quotaBytes: number | null;
  /** Writes to the log, which every write waits for. */
  fsync: EtcdLatency;
  /** Writes of the database, every 100 ms or 10000 changes. */
  commit: EtcdLatency;
  leaderChanges: number | null;
  failedProposals: number | null;
  pendingProposals: number | null;
  slowApplies: number | null;
  /** Round trips to each other member, by its id. */
  peers: { memberId: string; roundTrip: EtcdLatency }[];
}

/** `before` is an earlier scrape of the same member: of what lies between; without it, or when the member restarted meanwhile, since the start. */
export function etcdFigures(now: EtcdScrape, before?: EtcdScrape): EtcdFigures {
  const first = before !== undefined && isSameRun(before, now) ? before : undefined;
  const counter = (name: EtcdMetricName) => (now.series.has(name) ? grown(first, now, name).reduce((sum, { by }) => sum + by, 0) : null);
  const histogram = (name: EtcdMetricName, of?: string) => latencyOf(bucketsOf({ first, now, name, of }));
  const peers = new Set(now.series.get(PEERS)?.map(({ labels }) => labels[0] as string));
  return {
    windowSeconds: first === undefined ? null : Math.round(now.atMs - first.atMs) / 1000,
    startedAt: gauge(now, 'process_start_time_seconds'),
    quotaBytes: gauge(now, 'etcd_server_quota_backend_bytes'),
    fsync: histogram('etcd_disk_wal_fsync_duration_seconds_bucket'),
    commit: histogram('etcd_disk_backend_commit_duration_seconds_bucket'),
    leaderChanges: counter('etcd_server_leader_changes_seen_total'),
    failedProposals: counter('etcd_server_proposals_failed_total'),
    pendingProposals: gauge(now, 'etcd_server_proposals_pending'),
    slowApplies: counter('etcd_server_slow_apply_total'),
    peers: [...peers].toSorted().map((memberId) => ({ memberId, roundTrip: histogram(PEERS, memberId) })),
  };
}

const PEERS = 'etcd_network_peer_round_trip_time_seconds_bucket';
const COUNTERS: readonly EtcdMetricName[] = [
  'etcd_disk_wal_fsync_duration_seconds_bucket',
  'etcd_disk_backend_commit_duration_seconds_bucket',
  'etcd_server_leader_changes_seen_total',
];
/** The time of the start is counted from the host's wall clock, which is set now and then. */
const CLOCK_STEP_SECONDS = 2;

/** False when a counter is lower than before, or the process began at another time. */
function isSameRun(before: EtcdScrape, now: EtcdScrape): boolean {
  const [was, is] = [before, now].map((scrape) => gauge(scrape, 'process_start_time_seconds') ?? 0) as [number, number];
  return is - was <= CLOCK_STEP_SECONDS && !COUNTERS.some((name) => grown(before, now, name).some(({ by }) => by < 0));
}

interface Which {
  first: EtcdScrape | undefined;
  now: EtcdScrape;
  name: EtcdMetricName;
  of: string | undefined;
}

function bucketsOf({ first, now, name, of }: Which): Buckets {
  return grown(first, now, name)
    .filter(({ labels }) => of === undefined || labels[0] === of)
    .map(({ bound, by }) => [bound as number, by] as const);
}

function latencyOf(buckets: Buckets): EtcdLatency {
  const samples = observations(buckets) ?? 0;
  const p99 = samples < SAMPLES_MIN ? undefined : histogramQuantile(buckets, 0.99);
  return { samples, p50Ms: inMs(histogramQuantile(buckets, 0.5)), p99Ms: inMs(p99) };
}

/** To a hundredth of a millisecond; what lies in the last bucket, which has no end, is at least its lower end. */
function inMs(quantile: Quantile | undefined): number | null {
  return quantile === undefined ? null : Math.round(quantile.value * 100_000) / 100;
}
