import type { Cluster } from '../../cluster/schema.ts';
import { runsAgent } from '../hale/part.ts';
import { ETCD_LIMITS, FRAGMENTED, QUOTA_LIMITS } from './etcd-alerts.ts';
import { etcdMembers, hasAddress, JOB, usesHaproxy } from './jobs.ts';
import { layOut, type Panel, type Row } from './panel.ts';
import * as q from './queries.ts';

/** Of Grafana 12.1 and later; older ones read it too. */
const SCHEMA_VERSION = 42;
const UID_CHARACTERS_MAX = 40;

/** A dashboard for Grafana whose red lines are the thresholds of cluster.yaml, those that the alerts have. */
export function dashboardJson(cluster: Cluster): string {
  const dashboard = {
    uid: `hale-${cluster.name}`.slice(0, UID_CHARACTERS_MAX),
    title: `Kubernetes control plane: ${cluster.name}`,
    description: 'Made by hale from cluster.yaml. Red lines are its thresholds, where the alerts begin.',
    tags: ['hale', 'kubernetes'],
    schemaVersion: SCHEMA_VERSION,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [],
    templating: { list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', current: {}, hide: 0 }] },
    panels: layOut(rows(cluster)),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function rows(cluster: Cluster): Row[] {
  return [
    ...(hasAddress(cluster) ? [{ title: 'The API at its address', panels: address() }] : []),
    ...(runsAgent(cluster) ? [{ title: 'hale', panels: agents(cluster) }] : []),
    ...(usesHaproxy(cluster) ? [{ title: 'HAProxy', panels: haproxy() }] : []),
    ...(cluster.endpoint.provider === 'kube-vip' ? [{ title: 'kube-vip', panels: kubeVip(cluster) }] : []),
    { title: 'API servers', panels: apiservers(cluster) },
    { title: 'etcd', panels: etcd(cluster) },
    { title: 'Controllers', panels: controllers(cluster) },
  ];
}

const graph = (panel: Omit<Panel, 'kind'>): Panel => ({ ...panel, kind: 'timeseries' });
const stat = (panel: Omit<Panel, 'kind'>): Panel => ({ ...panel, kind: 'stat' });

const INSTANCE = '{{instance}}';

function address(): Panel[] {
  const up = `up{job="${JOB.address}"}`;
  return [
    stat({
      title: 'Answers',
      description: '1 while the API answers at its address.',
      unit: 'none',
      limit: { value: 1, below: true },
      queries: [{ expr: up, legend: INSTANCE }],
    }),
    graph({
      title: 'Time to an answer',
      description: 'One scrape through the address.',
      unit: 's',
      queries: [{ expr: `scrape_duration_seconds{job="${JOB.address}"}`, legend: INSTANCE }],
    }),
    stat({
      title: 'Answered in the last day',
      description: 'Part of the scrapes through the address that were answered.',
      unit: 'percentunit',
      limit: { value: 0.999, below: true },
      queries: [{ expr: `avg_over_time(${up}[1d])`, legend: INSTANCE }],
    }),
  ];
}

function agents({ controlPlane }: Cluster): Panel[] {
  return [
    graph({
      title: 'Who holds the address',
      description: 'Exactly one agent; two for a scrape after a change.',
      unit: 'none',
      queries: [{ expr: 'hale_holding', legend: INSTANCE }],
    }),
    graph({
      title: 'Agents that hear each other',
      description: 'Below a majority nobody holds the address.',
      unit: 'none',
      limit: { value: Math.floor(controlPlane.hosts.length / 2) + 1, below: true },
      queries: [{ expr: 'hale_members_alive', legend: INSTANCE }],
    }),
    graph({
      title: 'Takeovers and losses',
      description: 'In 15 minutes; losses by reason.',
      unit: 'none',
      queries: [
        { expr: 'sum(increase(hale_takeovers_total[15m]))', legend: 'takeovers' },
        { expr: 'sum by (reason) (increase(hale_losses_total[15m]))', legend: 'lost: {{reason}}' },
      ],
    }),
    graph({
      title: 'API servers that are ready',
      description: 'As the agents find them.',
      unit: 'none',
      queries: [{ expr: 'max by (backend) (hale_backend_ready)', legend: '{{backend}}' }],
    }),
    graph({
      title: 'Connections',
      description: 'To the address, that each host knows of.',
      unit: 'none',
      queries: [{ expr: 'hale_connections', legend: INSTANCE }],
    }),
    graph({
      title: 'Lease left',
      description: 'Of the holder that each agent knows.',
      unit: 's',
      queries: [{ expr: 'hale_lease_remaining_seconds', legend: INSTANCE }],
    }),
  ];
}

function haproxy(): Panel[] {
  const of = '{{instance}} {{proxy}}';
  return [
    graph({
      title: 'Servers up',
      description: 'That each HAProxy sends connections to.',
      unit: 'none',
      limit: { value: 1, below: true },
      queries: [{ expr: 'sum by (instance, proxy) (haproxy_server_status{state="UP"})', legend: of }],
    }),
    graph({
      title: 'Connections',
      description: 'Open now.',
      unit: 'none',
      queries: [{ expr: 'haproxy_backend_current_sessions', legend: of }],
    }),
    graph({
      title: 'Failed connects',
      description: 'From HAProxy to API servers, per second.',
      unit: 'cps',
      queries: [{ expr: 'rate(haproxy_backend_connection_errors_total[5m])', legend: of }],
    }),
  ];
}

function kubeVip({ kubeVip: { mode } }: Cluster): Panel[] {
  const sessions = graph({
    title: 'BGP sessions',
    description: '1 while established.',
    unit: 'none',
    queries: [{ expr: 'kube_vip_manager_bgp_session_info{state=~"(?i).*established"}', legend: '{{instance}} {{peer}}' }],
  });
  return [
    stat({
      title: 'kube-vip',
      description: '1 while it can be scraped.',
      unit: 'none',
      limit: { value: 1, below: true },
      queries: [{ expr: `up{job="${JOB.kubeVip}"}`, legend: INSTANCE }],
    }),
    graph({
      title: 'Memory',
      description: 'Of each kube-vip.',
      unit: 'bytes',
      queries: [{ expr: `process_resident_memory_bytes{job="${JOB.kubeVip}"}`, legend: INSTANCE }],
    }),
    ...(mode === 'bgp' ? [sessions] : []),
  ];
}

function apiservers(cluster: Cluster): Panel[] {
  const { thresholds } = cluster;
  return [
    stat({
      title: 'API servers',
      description: '1 while it can be scraped.',
      unit: 'none',
      limit: { value: 1, below: true },
      queries: [{ expr: `up{job="${JOB.apiserver}"}`, legend: INSTANCE }],
    }),
    graph({
      title: 'Requests',
      description: 'Per second. Far apart after a restart: clients keep their connections.',
      unit: 'reqps',
      queries: [{ expr: q.requestRate('5m'), legend: INSTANCE }],
    }),
    graph({
      title: 'Errors',
      description: 'Part of the answers that are 5xx.',
      unit: 'percentunit',
      limit: { value: 0.01 },
      queries: [{ expr: q.errorPart, legend: INSTANCE }],
    }),
    graph({
      title: 'p99 of requests',
      description: 'By verb, without WATCH and CONNECT (thresholds.requestP99Ms).',
      unit: 's',
      limit: { value: thresholds.requestP99Ms / 1000 },
      queries: [{ expr: q.p99(q.REQUESTS.histogram, q.REQUESTS), legend: '{{instance}} {{verb}}' }],
    }),
    graph({
      title: 'p99 of requests to etcd',
      description: 'As the API servers see it (thresholds.etcdRequestP99Ms).',
      unit: 's',
      limit: { value: thresholds.etcdRequestP99Ms / 1000 },
      queries: [{ expr: q.p99(q.ETCD_REQUESTS.histogram, q.ETCD_REQUESTS), legend: '{{instance}} {{operation}}' }],
    }),
    graph({
      title: 'Seats taken',
      description: 'Of those for requests (thresholds.inFlightPercent).',
      unit: 'percent',
      limit: { value: thresholds.inFlightPercent },
      queries: [{ expr: q.seatsPercent, legend: INSTANCE }],
    }),
    graph({
      title: 'Refused requests',
      description: 'For want of a seat, per second.',
      unit: 'reqps',
      queries: [{ expr: q.rejected, legend: '{{instance}} {{priority_level}}' }],
    }),
    graph({
      title: 'Memory',
      description: "Part of the host's (thresholds.memoryPercent).",
      unit: 'percent',
      limit: { value: thresholds.memoryPercent },
      queries: [{ expr: q.memoryPercent(cluster), legend: INSTANCE }],
    }),
    graph({
      title: 'Watches',
      description: 'Open now.',
      unit: 'none',
      queries: [{ expr: `sum by (instance) (apiserver_longrunning_requests{job="${JOB.apiserver}",verb="WATCH"})`, legend: INSTANCE }],
    }),
  ];
}

function etcd(cluster: Cluster): Panel[] {
  const members = etcdMembers(cluster);
  const job = `job="${JOB.etcd}"`;
  return [
    stat({
      title: 'Members',
      description: `Of ${members}.`,
      unit: 'none',
      limit: { value: members, below: true },
      queries: [{ expr: `sum(up{${job}})`, legend: 'members' }],
    }),
    graph({
      title: 'Leader',
      description: '1 at the member that leads.',
      unit: 'none',
      queries: [{ expr: `etcd_server_is_leader{${job}}`, legend: INSTANCE }],
    }),
    graph({
      title: 'Changes of leader',
      description: 'In 15 minutes.',
      unit: 'none',
      queries: [{ expr: `increase(etcd_server_leader_changes_seen_total{${job}}[15m])`, legend: INSTANCE }],
    }),
    graph({
      title: 'p99 of fsync',
      description: 'etcd wants 10 ms.',
      unit: 's',
      limit: { value: ETCD_LIMITS.fsyncCritical, warning: ETCD_LIMITS.fsync },
      queries: [{ expr: q.fsyncP99, legend: INSTANCE }],
    }),
    graph({
      title: 'p99 of commits',
      description: 'etcd wants 25 ms.',
      unit: 's',
      limit: { value: ETCD_LIMITS.commit },
      queries: [{ expr: q.commitP99, legend: INSTANCE }],
    }),
    graph({
      title: 'p99 of round trips',
      description: 'Between members.',
      unit: 's',
      limit: { value: ETCD_LIMITS.peer },
      queries: [{ expr: q.peerP99, legend: '{{instance}} to {{To}}' }],
    }),
    graph({
      title: 'Quota taken',
      description: 'At 100 % etcd takes no more writes.',
      unit: 'percent',
      limit: { value: QUOTA_LIMITS.critical, warning: QUOTA_LIMITS.warning },
      queries: [{ expr: q.quotaPercent, legend: INSTANCE }],
    }),
    graph({
      title: 'Database in use',
      description: 'The rest is freed by defragmenting.',
      unit: 'percent',
      limit: { value: FRAGMENTED.inUsePercent, below: true },
      queries: [{ expr: q.inUsePercent, legend: INSTANCE }],
    }),
    graph({
      title: 'Proposals',
      description: 'Applied per second.',
      unit: 'ops',
      queries: [{ expr: `rate(etcd_server_proposals_applied_total{${job}}[5m])`, legend: INSTANCE }],
    }),
  ];
}

function controllers({ distribution }: Cluster): Panel[] {
  const says = distribution === 'k3s' ? '' : ' Empty until they are scraped: see prometheus.yml.';
  return [
    graph({
      title: 'Who leads',
      description: `1 at the leader.${says}`,
      unit: 'none',
      queries: [{ expr: 'leader_election_master_status{name=~"kube-controller-manager|kube-scheduler"}', legend: '{{instance}} {{name}}' }],
    }),
    graph({
      title: 'Queues of controllers',
      description: `Things that wait.${says}`,
      unit: 'none',
      queries: [
        { expr: `topk(10, sum by (name) (workqueue_depth{job=~"${JOB.controllerManager}|${JOB.apiserver}"}))`, legend: '{{name}}' },
      ],
    }),
    graph({
      title: 'Pods that wait for a place',
      description: `By queue.${says}`,
      unit: 'none',
      queries: [{ expr: 'sum by (queue) (scheduler_pending_pods)', legend: '{{queue}}' }],
    }),
  ];
}
