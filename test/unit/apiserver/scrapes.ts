import { METRICS } from '../../../src/core/apiserver/metrics.ts';
import type { Scrape } from '../../../src/core/apiserver/scrape.ts';
import { ScrapeReader } from '../../../src/core/prometheus/scrape.ts';

/** What an API server at rest serves: every metric that is always there. */
const AT_REST = `process_start_time_seconds 1.7e+09
process_resident_memory_bytes 3.00000e+08
process_open_fds 80
go_goroutines 2099
apiserver_audit_requests_rejected_total 0
apiserver_current_inflight_requests{request_kind="mutating"} 1
apiserver_current_inflight_requests{request_kind="readOnly"} 4
apiserver_longrunning_requests{resource="pods",verb="WATCH"} 30
apiserver_longrunning_requests{resource="pods",verb="CONNECT"} 2
apiserver_longrunning_requests{resource="nodes",verb="WATCH"} 8
apiserver_flowcontrol_current_executing_seats{flow_schema="exempt",priority_level="exempt"} 9
apiserver_flowcontrol_current_executing_seats{flow_schema="a",priority_level="workload-low"} 20
apiserver_flowcontrol_current_executing_seats{flow_schema="b",priority_level="workload-low"} 25
apiserver_flowcontrol_current_limit_seats{priority_level="exempt"} 1
apiserver_flowcontrol_current_limit_seats{priority_level="workload-low"} 50
apiserver_flowcontrol_current_limit_seats{priority_level="system"} 50
`;

/** Sample lines of a histogram; `counts` are of the buckets themselves, the last of what is above all bounds. */
export function histogram(name: string, options: { labels: string; bounds: readonly number[]; counts: readonly number[] }): string {
  const { labels, bounds, counts } = options;
  let total = 0;
  return counts.map((count, i) => `${name}_bucket{${labels},le="${bounds[i] ?? '+Inf'}"} ${(total += count)}\n`).join('');
}

export function scrapeOf(text: string, atMs: number): Scrape {
  const reader = new ScrapeReader(METRICS);
  reader.push(text);
  return reader.finish(atMs);
}

interface Counts {
  /** Requests of each status. */
  codes?: Record<string, number>;
  /** GETs up to 0.1 s, up to 0.8 s, longer. */
  get?: readonly number[];
  /** The same of etcd. */
  etcd?: readonly number[];
  /** Requests whose certificate lasts up to 7 days, 30 days, longer. */
  certificates?: readonly number[];
  more?: string;
}

/** An API server that has counted so much. */
export function serverText({ codes = {}, get = [0, 0, 0], etcd = [0, 0, 0], certificates = [0, 0, 0], more = '' }: Counts): string {
  const total = Object.entries(codes).map(
    ([code, count]) => `apiserver_request_total{verb="GET",subresource="",code="${code}"} ${count}\n`,
  );
  return [
    AT_REST,
    'apiserver_request_total{verb="GET",subresource="/readyz",code="200"} 7000\n',
    ...total,
    histogram('apiserver_request_duration_seconds', { labels: 'verb="GET",subresource=""', bounds: [0.1, 0.8], counts: get }),
    histogram('etcd_request_duration_seconds', { labels: 'operation="get",resource="pods"', bounds: [0.1, 0.8], counts: etcd }),
    histogram('apiserver_client_certificate_expiration_seconds', { labels: 'a=""', bounds: [604_800, 2_592_000], counts: certificates }),
    more,
  ].join('');
}
