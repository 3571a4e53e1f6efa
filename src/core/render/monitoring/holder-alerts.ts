import type { Cluster } from '../../cluster/schema.ts';
import { decidedByLease } from '../../cluster/holders.ts';
import { runsAgent } from '../hale/part.ts';
import type { Alert, AlertGroup } from './alert.ts';
import { JOB, usesHaproxy } from './jobs.ts';

/** What holds the address and balances behind it, by the provider of the endpoint. */
export function holderAlerts(cluster: Cluster): AlertGroup[] {
  return [
    ...(runsAgent(cluster) ? [{ name: 'hale', alerts: [...holder(cluster), ...agents(cluster), ...snapshots(cluster)] }] : []),
    ...(usesHaproxy(cluster) ? [{ name: 'haproxy', alerts: haproxy() }] : []),
    ...(cluster.endpoint.provider === 'kube-vip' ? [{ name: 'kube-vip', alerts: kubeVip(cluster) }] : []),
  ];
}

const ELECTION = 'docs/guide/election.md';

function holder(cluster: Cluster): Alert[] {
  const count = cluster.controlPlane.hosts.length;
  const majority = Math.floor(count / 2) + 1;
  const byLease = decidedByLease(cluster);
  const [needs, few] = byLease
    ? [
        `${majority} of ${count} agents that reach each other (UDP), and an API server that is ready`,
        `Below ${majority} nobody holds the address. `,
      ]
    : ['one agent, and an API server that is ready', ''];
  return [
    {
      name: 'HaleNobodyHolds',
      severity: 'critical',
      expr: 'sum(hale_holding) == 0',
      for: '30s',
      summary: 'No agent of hale holds the address',
      action: `It takes ${needs}. hale status says what is missing.`,
      docs: ELECTION,
    },
    ...(cluster.advertise === 'arp' ? [twoHolders(byLease)] : []),
    {
      name: 'HaleAgentsFew',
      severity: 'warning',
      expr: `max(hale_members_alive) < ${count}`,
      for: '3m',
      summary: `Agents of hale hear {{ $value }} of ${count}`,
      action: `${few}Look at the silent host and its hale-agent.`,
      docs: ELECTION,
    },
    {
      name: 'HaleAddressMoves',
      severity: 'warning',
      expr: 'sum(increase(hale_takeovers_total[15m])) >= 4',
      for: '',
      summary: 'The address moved {{ $value | humanize }} times in 15 minutes',
      action: 'hale_losses_total says why. Slow hosts and networks want agent.profile: calm.',
      docs: ELECTION,
    },
    {
      name: 'HaleAddressConflict',
      severity: 'critical',
      expr: 'increase(hale_address_conflicts_total[10m]) > 0',
      for: '',
      summary: 'Another machine claims the address that {{ $labels.instance }} holds',
      action: 'Its MAC address is in the log of hale-agent. Take the address off that machine, or choose another.',
      docs: ELECTION,
    },
  ];
}

function twoHolders(byLease: boolean): Alert {
  return {
    name: 'HaleTwoHolders',
    severity: 'critical',
    // A scrape may meet the old holder before and the new one after a change.
    expr: 'sum(hale_holding) > 1',
    for: '1m',
    summary: '{{ $value }} agents of hale say that they hold the address',
    action: byLease
      ? 'This must not happen: collect the logs of hale-agent of all hosts, then restart the agent whose hale_lease_term is lower.'
      : 'They do not hear each other (VRRP, IP protocol 112): hale vrrp status on both, and the switches between them.',
    docs: ELECTION,
  };
}

const NOT_ENFORCED: Alert = {
  name: 'HaleLeaseNotEnforced',
  severity: 'warning',
  expr: 'hale_lease_enforced == 0',
  for: '5m',
  summary: 'On {{ $labels.instance }} only the agent ends the lease, not the kernel',
  action: 'A frozen agent would keep the address. hale status says what the kernel lacks.',
  docs: 'docs/guide/datapath.md',
};

const NO_SESSION: Alert = {
  name: 'HaleBgpSessionDown',
  severity: 'warning',
  expr: 'hale_bgp_established == 0',
  for: '1m',
  summary: '{{ $labels.instance }} has no BGP session with {{ $labels.peer }}',
  action: 'hale bgp status there says what the router last answered.',
  docs: 'docs/guide/bgp.md',
};

function agents({ election, advertise }: Cluster): Alert[] {
  const record: Alert = {
    name: 'HaleRecordUnreachable',
    severity: 'warning',
    expr: 'increase(hale_record_failures_total[10m]) > 3',
    for: '5m',
    summary: 'The agent of {{ $labels.instance }} cannot read or write the record of the election',
    action: `With election: ${election} the address is lost with that record: look at etcd and the API servers.`,
    docs: ELECTION,
  };
  return [
    {
      name: 'HaleAgentDown',
      severity: 'warning',
      expr: `up{job="${JOB.hale}"} == 0`,
      for: '1m',
      summary: 'The agent of hale of {{ $labels.instance }} cannot be scraped',
      action: 'systemctl status hale-agent there; agent.metricsAddress must be reachable from Prometheus.',
      docs: ELECTION,
    },
    ...(advertise === 'arp' ? [NOT_ENFORCED] : []),
    ...(advertise === 'bgp' ? [NO_SESSION] : []),
    {
      name: 'HaleBackendNotReady',
      severity: 'warning',
      expr: 'max by (backend) (hale_backend_ready) == 0',
      for: '2m',
      summary: 'Agents of hale find the API server of {{ $labels.backend }} not ready',
      action: 'hale status says what its /readyz answers.',
      docs: 'docs/guide/apiserver.md',
    },
    {
      name: 'HaleEffectsFail',
      severity: 'warning',
      expr: 'sum by (instance, effect) (increase(hale_effect_failures_total[10m])) > 0',
      for: '',
      summary: 'The agent of {{ $labels.instance }} could not change the kernel ({{ $labels.effect }})',
      action: 'The log of hale-agent has the error of the kernel. Something else may be changing the same addresses or tables.',
      docs: 'docs/guide/datapath.md',
    },
    ...(election === 'kubernetes' || election === 'etcd' ? [record] : []),
  ];
}

const SECONDS_PER_MINUTE = 60;

function snapshots({ etcd }: Cluster): Alert[] {
  const { everyMinutes, alertAfterMinutes } = etcd.snapshots;
  if (everyMinutes === undefined) return [];
  const seconds = (alertAfterMinutes ?? 3 * everyMinutes) * SECONDS_PER_MINUTE;
  const newest = 'max(hale_etcd_snapshot_newest_timestamp_seconds)';
  return [
    {
      name: 'EtcdSnapshotOld',
      severity: 'critical',
      expr: `time() - ${newest} > ${seconds}`,
      for: '5m',
      summary: 'The newest snapshot of etcd is {{ $value | humanizeDuration }} old',
      action: 'The log of hale-agent on the host that holds the address says why; hale etcd snapshot save takes one now.',
      docs: 'docs/guide/snapshots.md',
    },
    {
      name: 'EtcdSnapshotFails',
      severity: 'warning',
      expr: 'sum(increase(hale_etcd_snapshot_failures_total[1h])) > 0',
      for: '',
      summary: 'Scheduled snapshots of etcd fail',
      action: 'The log of hale-agent on the host that holds the address says why.',
      docs: 'docs/guide/snapshots.md',
    },
  ];
}

function haproxy(): Alert[] {
  return [
    {
      name: 'HaproxyServerDown',
      severity: 'warning',
      expr: 'haproxy_server_status{state="UP"} == 0',
      for: '2m',
      summary: 'HAProxy of {{ $labels.instance }} finds {{ $labels.server }} of {{ $labels.proxy }} down',
      action: 'Down at every HAProxy: look at that API server. Down at one: look at the network between them.',
      docs: 'docs/guide/apiserver.md',
    },
    {
      name: 'HaproxyNoServer',
      severity: 'critical',
      expr: 'sum by (instance, proxy) (haproxy_server_status{state="UP"}) == 0',
      for: '30s',
      summary: 'HAProxy of {{ $labels.instance }} has no server left for {{ $labels.proxy }}',
      action:
        'Clients of this HAProxy have no API. When the API servers are well, look at the check in haproxy.cfg, and whether it trusts their certificate.',
      docs: 'docs/guide/disaster-recovery.md',
    },
  ];
}

function kubeVip({ kubeVip: { mode } }: Cluster): Alert[] {
  const session: Alert = {
    name: 'KubeVipSessionDown',
    severity: 'warning',
    expr: 'max by (instance, peer) (kube_vip_manager_bgp_session_info{state=~"(?i).*established"} or 0 * kube_vip_manager_bgp_session_info) == 0',
    for: '1m',
    summary: 'kube-vip of {{ $labels.instance }} has no BGP session with {{ $labels.peer }}',
    action: 'Look at both ends: autonomous systems, multihop, TCP port 179.',
    docs: 'docs/guide/datapath.md',
  };
  return [
    {
      name: 'KubeVipDown',
      severity: 'warning',
      expr: `up{job="${JOB.kubeVip}"} == 0`,
      for: '1m',
      summary: 'kube-vip of {{ $labels.instance }} cannot be scraped',
      action: 'It cannot take the address over. Look at its log: it ends whenever it cannot renew its Lease.',
      docs: 'docs/guide/disaster-recovery.md',
    },
    ...(mode === 'bgp' ? [session] : []),
  ];
}
