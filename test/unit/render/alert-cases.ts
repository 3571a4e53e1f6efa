import type { Cluster } from '../../../src/core/cluster/schema.ts';

/** Series of three hours, one value a minute, as promtool writes them: `start+step×count`, or `value×count`. */
export interface AlertCase {
  /** With these the alert fires, */
  bad: Record<string, string>;
  /** and not with these. */
  good: Record<string, string>;
}

const MINUTES = 200;
const still = (value: number | string) => `${value}x${MINUTES}`;
const growing = (perMinute: number) => `0+${perMinute}x${MINUTES}`;

const up = (job: string, ...values: number[]) =>
  Object.fromEntries(values.map((value, i) => [`up{job="${job}",instance="cp${i + 1}"}`, still(value)]));

/** A gauge of one host, `bad` over `good`. */
function gauge(name: string, { bad, good }: { bad: number; good: number }): AlertCase {
  return { bad: { [name]: still(bad) }, good: { [name]: still(good) } };
}

/** Counts what happens, ten times a minute or never. */
function counter(name: string): AlertCase {
  return { bad: { [name]: growing(10) }, good: { [name]: still(7) } };
}

interface Histogram {
  name: string;
  labels: string;
  /** Seconds, where the alert begins. */
  limit: number;
}

/** All observations just below, or just above the limit: p99 lies in the bucket that ends, or begins, there. */
function histogram({ name, labels, limit }: Histogram): AlertCase {
  const series = (inLower: number) => ({
    [`${name}_bucket{${labels},le="${limit}"}`]: growing(inLower),
    [`${name}_bucket{${labels},le="${limit * 2}"}`]: growing(100),
    [`${name}_bucket{${labels},le="+Inf"}`]: growing(100),
    [`${name}_count{${labels}}`]: growing(100),
  });
  return { bad: series(98), good: series(100) };
}

const API = 'job="kube-apiserver",instance="cp1"';
const ETCD = 'job="etcd",instance="cp1"';
const DAY = 86_400;

/** Clients' certificates end just before, or just after this. */
function clientCertificates(seconds: number): AlertCase {
  const name = 'apiserver_client_certificate_expiration_seconds';
  const series = (within: number) => ({
    [`${name}_bucket{${API},le="0"}`]: still(0),
    [`${name}_bucket{${API},le="${seconds}"}`]: growing(within),
    [`${name}_bucket{${API},le="${seconds * 2}"}`]: growing(100),
    [`${name}_bucket{${API},le="+Inf"}`]: growing(100),
    [`${name}_count{${API}}`]: growing(100),
  });
  return { bad: series(50), good: series(0) };
}

const database = (inUse: number, total: number, quota = 1000) => ({
  [`etcd_mvcc_db_total_size_in_use_in_bytes{${ETCD}}`]: still(inUse),
  [`etcd_mvcc_db_total_size_in_bytes{${ETCD}}`]: still(total),
  [`etcd_server_quota_backend_bytes{${ETCD}}`]: still(quota),
});

function requestsOf(perMinute: readonly number[]): Record<string, string> {
  return Object.fromEntries(
    perMinute.map((rate, i) => [`apiserver_request_total{job="kube-apiserver",instance="cp${i + 1}",code="200"}`, growing(rate)]),
  );
}

const answers = (errors: number) => ({
  [`apiserver_request_total{${API},code="200"}`]: growing(1000 - errors),
  [`apiserver_request_total{${API},code="503"}`]: growing(errors),
});

function memory(percent: number, { distribution }: Cluster): Record<string, string> {
  const total = distribution === 'systemd' ? 'node_memory_MemTotal_bytes' : 'machine_memory_bytes';
  return { [`process_resident_memory_bytes{${API}}`]: still(percent), [`${total}{job="machine",instance="cp1"}`]: still(100) };
}

const seats = (taken: number) => ({
  [`apiserver_flowcontrol_current_executing_seats{${API},priority_level="workload-low"}`]: still(taken),
  [`apiserver_flowcontrol_current_limit_seats{${API},priority_level="workload-low"}`]: still(100),
  // Requests of this level are never refused.
  [`apiserver_flowcontrol_current_executing_seats{${API},priority_level="exempt"}`]: still(900),
  [`apiserver_flowcontrol_current_limit_seats{${API},priority_level="exempt"}`]: still(0),
});

const holding = (...values: number[]) =>
  Object.fromEntries(values.map((value, i) => [`hale_holding{instance="cp${i + 1}"}`, still(value)]));

const SESSION = 'kube_vip_manager_bgp_session_info{instance="cp1",peer="10.0.0.1",state=';

/** Snapshots older than the limit, or newer; promtool's clock begins at 0. */
const snapshot = (age: 'old' | 'new') => ({
  'hale_etcd_snapshot_newest_timestamp_seconds{instance="cp1"}': age === 'old' ? still(0) : growing(60),
});

/** For every alert, just beyond its threshold and just within it. */
export const ALERT_CASES: Record<string, (cluster: Cluster) => AlertCase> = {
  KubernetesAddressUnanswered: () => ({ bad: up('kubernetes-address', 0), good: up('kubernetes-address', 1) }),
  KubernetesApiserverDown: () => ({ bad: up('kube-apiserver', 1, 0, 1), good: up('kube-apiserver', 1, 1, 1) }),
  KubernetesApiserversGone: () => ({ bad: up('kube-apiserver', 0, 0, 0), good: up('kube-apiserver', 0, 0, 1) }),
  KubernetesApiserverErrors: () => ({ bad: answers(11), good: answers(9) }),
  KubernetesApiserverSlow: ({ thresholds }) =>
    histogram({ name: 'apiserver_request_duration_seconds', labels: `${API},verb="GET"`, limit: thresholds.requestP99Ms / 1000 }),
  KubernetesApiserverEtcdSlow: ({ thresholds }) =>
    histogram({ name: 'etcd_request_duration_seconds', labels: `${API},operation="get"`, limit: thresholds.etcdRequestP99Ms / 1000 }),
  KubernetesApiserverLoadUneven: ({ thresholds: { requestRateSpreadPercent: percent } }) => ({
    bad: requestsOf([6000, 6000 + 70 * percent, 6000 - 70 * percent]),
    good: requestsOf([6000, 6000 + 50 * percent, 6000 - 50 * percent]),
  }),
  KubernetesApiserverFull: ({ thresholds }) => ({ bad: seats(thresholds.inFlightPercent + 1), good: seats(thresholds.inFlightPercent) }),
  KubernetesApiserverRejects: () => counter(`apiserver_flowcontrol_rejected_requests_total{${API},priority_level="workload-low"}`),
  KubernetesApiserverMemory: (cluster) => ({
    bad: memory(cluster.thresholds.memoryPercent + 1, cluster),
    good: memory(cluster.thresholds.memoryPercent, cluster),
  }),
  KubernetesClientCertificateEnds: ({ thresholds }) => clientCertificates(thresholds.certificateDays * DAY),
  KubernetesClientCertificateEndsSoon: () => clientCertificates(7 * DAY),
  KubernetesKubeletCertificateEnds: () =>
    gauge('kubelet_certificate_manager_client_ttl_seconds{job="kubelet",instance="w1"}', { bad: 7 * DAY - 1, good: 7 * DAY }),
  KubernetesKubeletDown: () => ({ bad: up('kubelet', 1, 0), good: up('kubelet', 1, 1) }),
  KubernetesControllerLeaderless: () => {
    const leads = (value: number) => ({
      'leader_election_master_status{name="kube-scheduler",instance="cp1"}': still(0),
      'leader_election_master_status{name="kube-scheduler",instance="cp2"}': still(value),
    });
    return { bad: leads(0), good: leads(1) };
  },
  EtcdMemberDown: () => ({ bad: up('etcd', 1, 1, 0), good: up('etcd', 1, 1, 1) }),
  EtcdQuorumLost: () => ({ bad: up('etcd', 1, 0, 0), good: up('etcd', 1, 1, 0) }),
  EtcdNoLeader: () => gauge(`etcd_server_has_leader{${ETCD}}`, { bad: 0, good: 1 }),
  EtcdLeaderChanges: () => {
    const changes = (perMinute: number) => ({ [`etcd_server_leader_changes_seen_total{${ETCD}}`]: growing(perMinute) });
    return { bad: changes(0.3), good: changes(0.2) };
  },
  EtcdSyncSlow: () => histogram({ name: 'etcd_disk_wal_fsync_duration_seconds', labels: ETCD, limit: 0.5 }),
  EtcdSyncStalls: () => histogram({ name: 'etcd_disk_wal_fsync_duration_seconds', labels: ETCD, limit: 1 }),
  EtcdCommitSlow: () => histogram({ name: 'etcd_disk_backend_commit_duration_seconds', labels: ETCD, limit: 0.25 }),
  EtcdPeersFar: () =>
    histogram({ name: 'etcd_network_peer_round_trip_time_seconds', labels: `${ETCD},To="8e9e05c52164694d"`, limit: 0.15 }),
  EtcdQuotaNear: () => ({ bad: database(801, 801), good: database(800, 800) }),
  EtcdQuotaAlmostReached: () => ({ bad: database(951, 951), good: database(950, 950) }),
  EtcdFragmented: () => ({ bad: database(52_000_000, 105_000_000), good: database(52_000_000, 104_000_000) }),
  EtcdSnapshotOld: () => ({ bad: snapshot('old'), good: snapshot('new') }),
  EtcdSnapshotFails: () => counter('hale_etcd_snapshot_failures_total{instance="cp1"}'),
  HaleNobodyHolds: () => ({ bad: holding(0, 0, 0), good: holding(0, 1, 0) }),
  HaleTwoHolders: () => ({ bad: holding(1, 1, 0), good: holding(0, 1, 0) }),
  HaleAgentsFew: () => gauge('hale_members_alive{instance="cp1"}', { bad: 2, good: 3 }),
  HaleAddressMoves: () => {
    const moves = (perMinute: number) => ({ 'hale_takeovers_total{instance="cp1"}': growing(perMinute) });
    return { bad: moves(0.3), good: moves(0.2) };
  },
  HaleAddressConflict: () => counter('hale_address_conflicts_total{instance="cp1"}'),
  HaleAgentDown: () => ({ bad: up('hale', 1, 0, 1), good: up('hale', 1, 1, 1) }),
  HaleLeaseNotEnforced: () => gauge('hale_lease_enforced{instance="cp1"}', { bad: 0, good: 1 }),
  HaleBackendNotReady: () => gauge('hale_backend_ready{instance="cp1",backend="cp2"}', { bad: 0, good: 1 }),
  HaleEffectsFail: () => counter('hale_effect_failures_total{instance="cp1",effect="gate"}'),
  HaleRecordUnreachable: () => counter('hale_record_failures_total{instance="cp1"}'),
  HaproxyServerDown: () => gauge('haproxy_server_status{instance="w1",proxy="api",server="cp1",state="UP"}', { bad: 0, good: 1 }),
  HaproxyNoServer: () => gauge('haproxy_server_status{instance="w1",proxy="api",server="cp1",state="UP"}', { bad: 0, good: 1 }),
  KubeVipDown: () => ({ bad: up('kube-vip', 0, 1), good: up('kube-vip', 1, 1) }),
  KubeVipSessionDown: () => ({
    bad: { [`${SESSION}"BGP_FSM_ACTIVE"}`]: still(1), [`${SESSION}"BGP_FSM_ESTABLISHED"}`]: still(0) },
    good: { [`${SESSION}"BGP_FSM_ACTIVE"}`]: still(0), [`${SESSION}"BGP_FSM_ESTABLISHED"}`]: still(1) },
  }),
};
