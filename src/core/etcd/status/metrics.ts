import type { Metrics, Scrape } from '../../prometheus/scrape.ts';

/*
 * The metrics of etcd that figures are made of, by the names of their samples (etcd.io, "Metrics"; etcd 3.4 to 3.7). docs/guide/etcd.md lists them, and a test
 * compares both with a real one.
 */

const metrics = {
  etcd_disk_wal_fsync_duration_seconds_bucket: {
    type: 'histogram',
    labels: [],
    tells: 'how long the disk takes for each write to the log',
  },
  etcd_disk_backend_commit_duration_seconds_bucket: {
    type: 'histogram',
    labels: [],
    tells: 'how long the disk takes for each write of the database',
  },
  etcd_network_peer_round_trip_time_seconds_bucket: {
    type: 'histogram',
    labels: ['To'],
    tells: 'round trips to each other member',
    appearsLater: true,
  },
  etcd_server_quota_backend_bytes: { type: 'gauge', labels: [], tells: 'quota, before etcd 3.6' },
  etcd_server_leader_changes_seen_total: { type: 'counter', labels: [], tells: 'leader changes' },
  etcd_server_proposals_failed_total: { type: 'counter', labels: [], tells: 'writes that failed' },
  etcd_server_proposals_pending: { type: 'gauge', labels: [], tells: 'writes that wait' },
  etcd_server_slow_apply_total: { type: 'counter', labels: [], tells: 'requests that took longer than 100 ms to apply' },
  etcd_debugging_mvcc_compact_revision: { type: 'gauge', labels: [], tells: 'how much history is kept' },
  etcd_debugging_mvcc_db_compaction_last: {
    type: 'gauge',
    labels: [],
    tells: 'when history was last dropped, from etcd 3.5 on',
    appearsLater: true,
  },
  process_start_time_seconds: { type: 'gauge', labels: [], tells: 'restarts, and since when the others count' },
} as const satisfies Metrics<string>;

export type EtcdMetricName = keyof typeof metrics;
export const ETCD_METRICS: Metrics<EtcdMetricName> = metrics;

/** What one scrape of a member said, added up. */
export type EtcdScrape = Scrape<EtcdMetricName>;
