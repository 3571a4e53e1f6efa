import type { Metric, Metrics } from '../prometheus/scrape.ts';

/*
 * The metrics of kube-apiserver that figures are made of, by the names of their samples (Kubernetes 1.36, "Kubernetes Metrics Reference").
 * docs/guide/apiserver.md lists them, and a test compares both with a real one.
 */

const HEALTH_PATHS = ['/healthz', '/livez', '/readyz'];
/** Every balancer asks every API server, which would hide how unevenly the clients' requests are spread. */
const isHealthProbe = (labels: ReadonlyMap<string, string>) => HEALTH_PATHS.includes(labels.get('subresource') ?? '');

/** They last as long as the client wishes. */
const LONG_RUNNING = ['WATCH', 'CONNECT'];
const isLongRunning = (labels: ReadonlyMap<string, string>) => LONG_RUNNING.includes(labels.get('verb') ?? '');

const metrics = {
  apiserver_request_total: {
    type: 'counter',
    labels: ['code'],
    tells: 'request rate, its spread, error rate',
    leaveOut: isHealthProbe,
  },
  apiserver_request_duration_seconds_bucket: {
    type: 'histogram',
    labels: ['verb'],
    tells: '99th percentile of the latency of each verb',
    leaveOut: (labels) => isHealthProbe(labels) || isLongRunning(labels),
  },
  apiserver_current_inflight_requests: {
    type: 'gauge',
    labels: ['request_kind'],
    tells: 'requests in flight, the most of the last second',
  },
  apiserver_longrunning_requests: { type: 'gauge', labels: ['verb'], tells: 'open watches', appearsLater: true },
  apiserver_flowcontrol_current_executing_seats: { type: 'gauge', labels: ['priority_level'], tells: 'seats taken' },
  apiserver_flowcontrol_current_limit_seats: { type: 'gauge', labels: ['priority_level'], tells: 'seats there are' },
  apiserver_flowcontrol_rejected_requests_total: {
    type: 'counter',
    labels: ['priority_level'],
    tells: 'requests refused for want of a seat',
    appearsLater: true,
  },
  etcd_request_duration_seconds_bucket: { type: 'histogram', labels: ['operation'], tells: '99th percentile of the latency of etcd' },
  apiserver_audit_error_total: { type: 'counter', labels: [], tells: 'audit events that were lost', appearsLater: true },
  apiserver_audit_requests_rejected_total: { type: 'counter', labels: [], tells: 'requests refused because auditing failed' },
  apiserver_admission_webhook_rejection_count: {
    type: 'counter',
    labels: ['name'],
    tells: 'requests refused because an admission webhook failed',
    appearsLater: true,
    leaveOut: (labels) => labels.get('error_type') === 'no_error',
  },
  apiserver_admission_webhook_fail_open_count: {
    type: 'counter',
    labels: ['name'],
    tells: 'requests let through because an admission webhook failed',
    appearsLater: true,
  },
  apiserver_client_certificate_expiration_seconds_bucket: {
    type: 'histogram',
    labels: [],
    tells: "how long the certificates of clients' requests still last",
  },
  process_resident_memory_bytes: { type: 'gauge', labels: [], tells: 'memory' },
  process_open_fds: { type: 'gauge', labels: [], tells: 'open connections and files' },
  process_start_time_seconds: { type: 'gauge', labels: [], tells: 'restarts' },
  go_goroutines: { type: 'gauge', labels: [], tells: 'goroutines' },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
export const METRICS: Metrics<MetricName> = metrics;
export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];
