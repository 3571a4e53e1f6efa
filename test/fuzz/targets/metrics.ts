/** What an API server's /metrics sends. */
import { deepEqual, ok } from 'node:assert/strict';
import { computeFigures } from '../../../src/core/apiserver/figures.ts';
import { judge } from '../../../src/core/apiserver/judge.ts';
import { METRICS } from '../../../src/core/apiserver/metrics.ts';
import type { Scrape } from '../../../src/core/apiserver/scrape.ts';
import { readCluster } from '../../../src/core/cluster/read.ts';
import { ScrapeReader } from '../../../src/core/prometheus/scrape.ts';
import { lineText } from '../refusal.ts';
import type { Target } from '../target.ts';

const histogram = (name: string, labels: string, counts: readonly number[]): string =>
  `${name}_bucket{${labels},le="0.1"} ${counts[0]}\n${name}_bucket{${labels},le="+Inf"} ${counts[1]}\n`;

const scrapeText = (requests: number): string =>
  [
    `# TYPE apiserver_request_total counter\napiserver_request_total{code="200",verb="GET"} ${requests}\n`,
    histogram('apiserver_request_duration_seconds', 'verb="GET"', [requests - 1, requests]),
    histogram('etcd_request_duration_seconds', 'operation="get"', [requests, requests]),
    histogram('apiserver_client_certificate_expiration_seconds', 'a=""', [0, requests]),
    'apiserver_flowcontrol_current_executing_seats{priority_level="a"} 3\napiserver_flowcontrol_current_limit_seats{priority_level="a"} 1e2\n',
    'apiserver_longrunning_requests{verb="WATCH"} 7 1520879607.789 # {t="o"} 9.8\nprocess_start_time_seconds 1.7e+09\n',
  ].join('');

const CLUSTER = `{apiVersion: hale.dev/v1alpha1, kind: Cluster, name: prod, endpoint: {address: 10.0.0.100}, controlPlane: {hosts: [{name: cp1, address: 10.0.0.11/24}]}}`;
const cluster = readCluster(CLUSTER, 'cluster.yaml');
ok(cluster.ok, 'the description is valid');
const { thresholds } = cluster.cluster;

/** In pieces of `size` characters. */
function scrapeOf(text: string, { atMs, size }: { atMs: number; size: number }): Scrape {
  const reader = new ScrapeReader(METRICS);
  for (let from = 0; from < text.length; from += size) reader.push(text.slice(from, from + size));
  return reader.finish(atMs);
}

const metrics: Target = {
  name: 'metrics',
  property:
    'two scrapes, of any text and however cut, become figures and judgements in lines of text; a percentile lies in its bucket, and a line is a sample, or skipped, or counted as malformed',
  seeds: [
    Buffer.from(`${scrapeText(10)}\f${scrapeText(99)}`),
    Buffer.from(`${scrapeText(99)}\f${scrapeText(1)}`),
    Buffer.from(`\f${histogram('etcd_request_duration_seconds', 'operation="\\n\\"\\\\"', [40, 50])}`),
  ],
  text: true,
  run(input) {
    const [first = '', second = ''] = Buffer.from(input).toString().split('\f');
    const scrape = scrapeOf(second, { atMs: 5000, size: 65_536 });
    deepEqual(scrapeOf(second, { atMs: 5000, size: 7 }), scrape, 'depends on how it was cut');
    ok(scrape.malformed <= scrape.lines, 'more malformed lines than lines');
    const figures = computeFigures(scrapeOf(first, { atMs: 0, size: 65_536 }), scrape);
    for (const { p99 } of [...(figures.latency ?? []), ...(figures.etcdLatency ?? [])]) {
      ok(p99 === null || (p99.value >= p99.lower && p99.value <= p99.upper), 'a percentile outside its bucket');
    }
    const hosts = ['cp1', 'cp2'].map((name) => ({ name, figures, problem: null, hostMemoryBytes: 1e9 }));
    for (const { says, value, threshold, verdict } of judge(hosts, thresholds)) {
      lineText(says);
      ok(value === null || !Number.isNaN(value), `${says}: a value that is none`);
      ok(verdict !== 'good' || (value !== null && threshold !== null && value <= threshold), `${says}: good without reason`);
    }
  },
};

export const metricsTargets: readonly Target[] = [metrics];
