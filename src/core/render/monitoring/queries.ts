import type { Cluster } from '../../cluster/schema.ts';
import { JOB } from './jobs.ts';

/* PromQL that rules and dashboard share. Every result has one series per instance, and what else its name says. */

/** 99th percentile over 5 minutes, in seconds. */
export function p99(histogram: string, { selector, by }: { selector: string; by: string }): string {
  return `histogram_quantile(0.99, sum by (${by}, le) (rate(${histogram}_bucket{${selector}}[5m])))`;
}

/** Requests of 5 minutes. */
export function requestsOf5m(histogram: string, { selector, by }: { selector: string; by: string }): string {
  return `sum by (${by}) (increase(${histogram}_count{${selector}}[5m]))`;
}

const APISERVER = `job="${JOB.apiserver}"`;

/** Those that last as long as their client likes are left out. */
export const REQUESTS = {
  histogram: 'apiserver_request_duration_seconds',
  selector: `${APISERVER},verb!~"WATCH|WATCHLIST|CONNECT"`,
  by: 'instance, verb',
};
export const ETCD_REQUESTS = { histogram: 'etcd_request_duration_seconds', selector: APISERVER, by: 'instance, operation' };

export const requestRate = (window: string): string => `sum by (instance) (rate(apiserver_request_total{${APISERVER}}[${window}]))`;
export const errorPart = `sum by (instance) (rate(apiserver_request_total{${APISERVER},code=~"5.."}[5m])) / ${requestRate('5m')}`;

const SEATS = `${APISERVER},priority_level!="exempt"`;
export const seatsPercent = `100 * sum by (instance) (apiserver_flowcontrol_current_executing_seats{${SEATS}}) / sum by (instance) (apiserver_flowcontrol_current_limit_seats{${SEATS}})`;
export const rejected = `sum by (instance, priority_level) (rate(apiserver_flowcontrol_rejected_requests_total{${APISERVER}}[5m]))`;

export function memoryPercent({ distribution }: Cluster): string {
  const total = distribution === 'systemd' ? 'node_memory_MemTotal_bytes' : 'machine_memory_bytes';
  return `100 * process_resident_memory_bytes{${APISERVER}} / on (instance) group_left () ${total}{job="${JOB.machine}"}`;
}

const ETCD = `job="${JOB.etcd}"`;
export const fsyncP99 = p99('etcd_disk_wal_fsync_duration_seconds', { selector: ETCD, by: 'instance' });
export const commitP99 = p99('etcd_disk_backend_commit_duration_seconds', { selector: ETCD, by: 'instance' });
export const peerP99 = p99('etcd_network_peer_round_trip_time_seconds', { selector: ETCD, by: 'instance, To' });
export const quotaPercent = `100 * etcd_mvcc_db_total_size_in_bytes{${ETCD}} / etcd_server_quota_backend_bytes{${ETCD}}`;
export const inUsePercent = `100 * etcd_mvcc_db_total_size_in_use_in_bytes{${ETCD}} / etcd_mvcc_db_total_size_in_bytes{${ETCD}}`;

export const controllerLeaders = 'sum by (name) (leader_election_master_status{name=~"kube-controller-manager|kube-scheduler"})';
