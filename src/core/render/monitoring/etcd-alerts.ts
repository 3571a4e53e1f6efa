import type { Cluster } from '../../cluster/schema.ts';
import type { Alert, AlertGroup } from './alert.ts';
import { etcdMembers, JOB } from './jobs.ts';
import { commitP99, fsyncP99, inUsePercent, peerP99, quotaPercent } from './queries.ts';

const JOB_ETCD = `job="${JOB.etcd}"`;
const UP = `up{${JOB_ETCD}}`;

/** Seconds; the rules that etcd itself publishes (etcd.io, contrib/mixin). */
export const ETCD_LIMITS = { fsync: 0.5, fsyncCritical: 1, commit: 0.25, peer: 0.15 } as const;
/** Percent of the quota, at which etcd takes no more writes. */
export const QUOTA_LIMITS = { warning: 80, critical: 95 } as const;
/** Percent in use below which defragmenting is worth it, in databases of at least so many bytes. */
export const FRAGMENTED = { inUsePercent: 50, bytes: 100 * 1024 ** 2 } as const;
const LEADER_CHANGES = 4;

export function etcdAlerts(cluster: Cluster): AlertGroup[] {
  return [{ name: 'etcd', alerts: [...members(cluster), ...speed(), ...space()] }];
}

function members(cluster: Cluster): Alert[] {
  const count = etcdMembers(cluster);
  const majority = Math.floor(count / 2) + 1;
  return [
    {
      name: 'EtcdMemberDown',
      severity: 'warning',
      expr: `${UP} == 0`,
      for: '3m',
      summary: 'The etcd member of {{ $labels.instance }} cannot be scraped',
      action: `hale etcd status tells why. ${count} members bear the loss of ${count - majority}: mend or replace this one before another fails.`,
      docs: 'docs/guide/etcd-members.md',
    },
    {
      name: 'EtcdQuorumLost',
      severity: 'critical',
      expr: `sum(${UP}) < ${majority}`,
      for: '1m',
      summary: `Only {{ $value }} of ${count} members of etcd can be scraped, and it takes ${majority}`,
      action: 'Nothing can be written. Bring members back with their data; restore from a snapshot only when that is impossible.',
      docs: 'docs/guide/disaster-recovery.md',
    },
    {
      name: 'EtcdNoLeader',
      severity: 'critical',
      expr: `etcd_server_has_leader{${JOB_ETCD}} == 0`,
      for: '1m',
      summary: 'The etcd member of {{ $labels.instance }} has no leader',
      action: 'Is it cut off from the others (port 2380), or is there no majority? hale etcd status asks every member.',
      docs: 'docs/guide/etcd.md',
    },
    {
      name: 'EtcdLeaderChanges',
      severity: 'warning',
      expr: `max by (instance) (increase(etcd_server_leader_changes_seen_total{${JOB_ETCD}}[15m])) >= ${LEADER_CHANGES}`,
      for: '',
      summary: '{{ $labels.instance }} saw {{ $value | humanize }} changes of leader of etcd in 15 minutes',
      action:
        'Writes stall at each. Slow disks (EtcdSyncSlow) or a slow network (EtcdPeersFar) are the usual cause; see etcd.disk and etcd.latency.',
      docs: 'docs/guide/etcd.md',
    },
  ];
}

function speed(): Alert[] {
  const disk =
    'Look at what else writes to this disk, and at the disk itself; hale etcd check measures it. etcd wants a 99th percentile of 10 ms.';
  return [
    {
      name: 'EtcdSyncSlow',
      severity: 'warning',
      expr: `${fsyncP99} > ${ETCD_LIMITS.fsync}`,
      for: '10m',
      summary: 'p99 of fsync of the etcd member of {{ $labels.instance }} is {{ $value | humanizeDuration }}',
      action: disk,
      docs: 'docs/guide/etcd.md',
    },
    {
      name: 'EtcdSyncStalls',
      severity: 'critical',
      expr: `${fsyncP99} > ${ETCD_LIMITS.fsyncCritical}`,
      for: '10m',
      summary: 'p99 of fsync of the etcd member of {{ $labels.instance }} is {{ $value | humanizeDuration }}: elections are near',
      action: disk,
      docs: 'docs/guide/etcd.md',
    },
    {
      name: 'EtcdCommitSlow',
      severity: 'warning',
      expr: `${commitP99} > ${ETCD_LIMITS.commit}`,
      for: '10m',
      summary: 'p99 of commits of the etcd member of {{ $labels.instance }} is {{ $value | humanizeDuration }}',
      action: disk,
      docs: 'docs/guide/etcd.md',
    },
    {
      name: 'EtcdPeersFar',
      severity: 'warning',
      expr: `${peerP99} > ${ETCD_LIMITS.peer}`,
      for: '10m',
      summary: 'p99 of round trips from the etcd member of {{ $labels.instance }} to {{ $labels.To }} is {{ $value | humanizeDuration }}',
      action: 'Look at the network between them. Members further apart than etcd.latency says need other timings.',
      docs: 'docs/guide/etcd.md',
    },
  ];
}

function space(): Alert[] {
  const summary = 'etcd of {{ $labels.instance }} has {{ $value | humanize }} % of its quota';
  const large = `etcd_mvcc_db_total_size_in_bytes{${JOB_ETCD}} > ${FRAGMENTED.bytes}`;
  return [
    {
      name: 'EtcdQuotaNear',
      severity: 'warning',
      expr: `${quotaPercent} > ${QUOTA_LIMITS.warning}`,
      for: '10m',
      summary,
      action: 'Find what fills it (hale etcd keys), then compact and defragment one member at a time (hale etcd defrag).',
      docs: 'docs/guide/what-fills-etcd.md',
    },
    {
      name: 'EtcdQuotaAlmostReached',
      severity: 'critical',
      expr: `${quotaPercent} > ${QUOTA_LIMITS.critical}`,
      for: '5m',
      summary,
      action: 'At the quota etcd refuses every write until space is freed and the alarm is disarmed (hale etcd alarm). Free space now.',
      docs: 'docs/guide/etcd-space.md',
    },
    {
      name: 'EtcdFragmented',
      severity: 'warning',
      expr: `${inUsePercent} < ${FRAGMENTED.inUsePercent} and ${large}`,
      for: '1h',
      summary: 'Only {{ $value | humanize }} % of the database of etcd of {{ $labels.instance }} is in use',
      action: 'hale etcd defrag frees the rest, one member at a time and the leader last: a member answers nothing meanwhile.',
      docs: 'docs/guide/etcd-space.md',
    },
  ];
}
