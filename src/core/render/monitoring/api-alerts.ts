import { REQUESTS_MIN } from '../../apiserver/figures.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { Alert, AlertGroup } from './alert.ts';
import { hasAddress, JOB } from './jobs.ts';
import { ETCD_REQUESTS, errorPart, memoryPercent, p99, REQUESTS, rejected, requestRate, requestsOf5m, seatsPercent } from './queries.ts';

const DOCS = 'docs/guide/apiserver.md';
const UP = `up{job="${JOB.apiserver}"}`;
const SECONDS_PER_DAY = 86_400;
/** The critical alert of a certificate: in a week somebody is at work. */
const LAST_DAYS = 7;

/** The API servers: are they there, do they answer, how fast, how full. */
export function apiAlerts(cluster: Cluster): AlertGroup[] {
  return [
    { name: 'kubernetes-api', alerts: [...presence(cluster), ...answers(cluster), ...load(cluster)] },
    { name: 'kubernetes-certificates', alerts: certificates(cluster) },
  ];
}

function presence(cluster: Cluster): Alert[] {
  const address: Alert = {
    name: 'KubernetesAddressUnanswered',
    severity: 'critical',
    expr: `up{job="${JOB.address}"} == 0`,
    for: '30s',
    summary: 'The Kubernetes API does not answer at {{ $labels.instance }}',
    action: 'Look who holds the address (hale status, or the logs of what holds it here), and whether the API server behind it is ready.',
    docs: 'docs/guide/disaster-recovery.md',
  };
  return [
    ...(hasAddress(cluster) ? [address] : []),
    {
      name: 'KubernetesApiserverDown',
      severity: 'warning',
      expr: `${UP} == 0`,
      for: '1m',
      summary: 'The API server of {{ $labels.instance }} cannot be scraped',
      action:
        'Look at the host, then at the log of kube-apiserver and whether its etcd is healthy. Others serve meanwhile: do not restart them.',
      docs: DOCS,
    },
    {
      name: 'KubernetesApiserversGone',
      severity: 'critical',
      expr: `sum(${UP}) == 0`,
      for: '30s',
      summary: 'No API server can be scraped',
      action: 'What runs goes on running; nothing new starts and nothing is healed. Look at etcd first (quorum), then at the certificates.',
      docs: 'docs/guide/disaster-recovery.md',
    },
  ];
}

function answers({ thresholds }: Cluster): Alert[] {
  return [
    {
      name: 'KubernetesApiserverErrors',
      severity: 'warning',
      expr: `${errorPart} > 0.01`,
      for: '10m',
      summary: '{{ $value | humanizePercentage }} of the answers of {{ $labels.instance }} are errors of its own (5xx)',
      action: 'Look at its log, at etcd, and at webhooks and aggregated API servers that do not answer.',
      docs: DOCS,
    },
    {
      name: 'KubernetesApiserverSlow',
      severity: 'warning',
      expr: `${p99(REQUESTS.histogram, REQUESTS)} > ${thresholds.requestP99Ms / 1000} and ${requestsOf5m(REQUESTS.histogram, REQUESTS)} >= ${REQUESTS_MIN}`,
      for: '10m',
      summary: 'p99 of {{ $labels.verb }} at {{ $labels.instance }} is {{ $value | humanizeDuration }}',
      action:
        'Compare with its requests to etcd: slow there, look at the disks of etcd. Else look for large LISTs, slow admission webhooks and full seats.',
      docs: DOCS,
    },
    {
      name: 'KubernetesApiserverEtcdSlow',
      severity: 'warning',
      expr: `${p99(ETCD_REQUESTS.histogram, ETCD_REQUESTS)} > ${thresholds.etcdRequestP99Ms / 1000} and ${requestsOf5m(ETCD_REQUESTS.histogram, ETCD_REQUESTS)} >= ${REQUESTS_MIN}`,
      for: '10m',
      summary: 'p99 of {{ $labels.operation }} from {{ $labels.instance }} to etcd is {{ $value | humanizeDuration }}',
      action: 'Look at the disk of the etcd member (EtcdSyncSlow), at what else writes to it, and at the network between the members.',
      docs: DOCS,
    },
  ];
}

function load(cluster: Cluster): Alert[] {
  const { thresholds, controlPlane } = cluster;
  return [
    ...(controlPlane.hosts.length > 1 ? [uneven(thresholds.requestRateSpreadPercent)] : []),
    {
      name: 'KubernetesApiserverFull',
      severity: 'warning',
      expr: `${seatsPercent} > ${thresholds.inFlightPercent}`,
      for: '5m',
      summary: '{{ $value | humanize }} % of the seats for requests are taken at {{ $labels.instance }}',
      action: 'Find who asks so much (kubectl get --raw /debug/api_priority_and_fairness/dump_requests), and slow it down or add seats.',
      docs: DOCS,
    },
    {
      name: 'KubernetesApiserverRejects',
      severity: 'warning',
      expr: `${rejected} > 0`,
      for: '5m',
      summary: '{{ $labels.instance }} refuses requests of the priority level {{ $labels.priority_level }} (429)',
      action: 'Find who asks so much, and give it a FlowSchema of its own or slow it down.',
      docs: DOCS,
    },
    {
      name: 'KubernetesApiserverMemory',
      severity: 'warning',
      expr: `${memoryPercent(cluster)} > ${thresholds.memoryPercent}`,
      for: '10m',
      summary: 'The API server of {{ $labels.instance }} has {{ $value | humanize }} % of its memory',
      action: 'Find large LISTs and watches of many objects; when its neighbour fails this one has to carry its load as well.',
      docs: DOCS,
    },
  ];
}

const SPREAD_SECONDS = 900;

/** Below so many requests chance alone spreads them further: twice the deviation of a count n is 200 / √n percent. */
function uneven(percent: number): Alert {
  const rate = requestRate('15m');
  const enough = (200 / percent) ** 2 / SPREAD_SECONDS;
  return {
    name: 'KubernetesApiserverLoadUneven',
    severity: 'warning',
    expr: `100 * abs(${rate} / scalar(avg(${rate})) - 1) > ${percent} and on () avg(${rate}) > ${Number(enough.toPrecision(3))}`,
    for: '30m',
    summary: 'The request rate of {{ $labels.instance }} is {{ $value | humanize }} % from the mean of all API servers',
    action: 'Clients keep their connections: after a restart all are on the others. --goaway-chance of the API servers spreads them again.',
    docs: DOCS,
  };
}

function certificates({ thresholds, distribution }: Cluster): Alert[] {
  const histogram = `apiserver_client_certificate_expiration_seconds`;
  const left = `histogram_quantile(0.01, sum by (instance, le) (rate(${histogram}_bucket{job="${JOB.apiserver}"}[15m])))`;
  const seen = `sum by (instance) (increase(${histogram}_count{job="${JOB.apiserver}"}[15m])) > 0`;
  const client = (days: number): Pick<Alert, 'expr' | 'for' | 'docs'> => ({
    expr: `${left} < ${days * SECONDS_PER_DAY} and ${seen}`,
    for: '15m',
    docs: 'docs/guide/certificates.md',
  });
  const summary = 'Clients of {{ $labels.instance }} use certificates that end in {{ $value | humanizeDuration }}';
  const kubelet: Alert = {
    name: 'KubernetesKubeletCertificateEnds',
    severity: 'critical',
    expr: `kubelet_certificate_manager_client_ttl_seconds{job="${JOB.kubelet}"} < ${Math.min(thresholds.certificateDays, LAST_DAYS) * SECONDS_PER_DAY}`,
    for: '15m',
    summary: 'The certificate of the kubelet of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}',
    action: 'A kubelet renews its certificate long before: look at its log, and at CertificateSigningRequests that nobody signed.',
    docs: 'docs/guide/certificates.md',
  };
  return [
    {
      ...client(thresholds.certificateDays),
      name: 'KubernetesClientCertificateEnds',
      severity: 'warning',
      summary,
      action:
        'hale status --deep tells the certificates of the control plane; renew them on one host at a time. Kubeconfigs hold some too.',
    },
    ...(thresholds.certificateDays > LAST_DAYS
      ? [
          {
            ...client(LAST_DAYS),
            name: 'KubernetesClientCertificateEndsSoon',
            severity: 'critical' as const,
            summary,
            action: 'Renew it now: when it has ended, whoever uses it is refused.',
          },
        ]
      : []),
    ...(distribution === 'systemd' ? [] : [kubelet]),
  ];
}
