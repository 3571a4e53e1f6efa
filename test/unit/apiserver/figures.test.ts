import { describe, expect, test } from 'vitest';
import { computeFigures } from '../../../src/core/apiserver/figures.ts';
import { METRIC_NAMES } from '../../../src/core/apiserver/metrics.ts';
import { missingMetrics } from '../../../src/core/apiserver/scrape.ts';
import { histogram, scrapeOf, serverText } from './scrapes.ts';

const figuresOf = (first: string, second: string) => computeFigures(scrapeOf(first, 1000), scrapeOf(second, 6000));

describe('a window of 5 s', () => {
  const first = serverText({ codes: { 200: 100, 404: 5 }, get: [100, 0, 0], etcd: [10, 0, 0], certificates: [0, 0, 9] });
  const second = serverText({ codes: { 200: 300, 404: 15, 503: 5, 0: 1 }, get: [180, 15, 5], etcd: [30, 0, 0], certificates: [2, 3, 29] });
  const figures = figuresOf(first, second);

  test('requests and answers per second, without probes of its health', () => {
    expect(figures).toMatchObject({ seconds: 5, requests: 216, requestsPerSecond: 43.2, restarted: false, malformed: 0, missing: [] });
    expect(figures.answersPerSecond).toEqual({ '2xx': 40, '4xx': 2, '5xx': 1, other: 0.2 });
  });

  test('p99 of what was counted within it: of 80, 15 and 5 requests the 99th is above the last bound', () => {
    expect(figures.latency).toEqual([{ of: 'GET', requests: 100, p99: { value: 0.8, lower: 0.8, upper: Infinity } }]);
  });

  test('of fewer than 30 there is none', () => {
    expect(figures.etcdLatency).toEqual([{ of: 'get', requests: 20, p99: null }]);
  });

  test('how it stood at its end', () => {
    expect(figures).toMatchObject({
      watches: 38,
      inFlight: { readOnly: 4, mutating: 1 },
      memoryBytes: 3e8,
      goroutines: 2099,
      openFiles: 80,
    });
    expect(figures.seats).toEqual({ executing: 45, limit: 100, fullest: { level: 'workload-low', executing: 45, limit: 50 } });
  });

  test('certificates by how long they lasted', () => {
    expect(figures.certificates).toEqual([
      [604_800, 2],
      [2_592_000, 5],
      [Infinity, 25],
    ]);
  });

  test('what appears with its first event was 0 before', () => {
    const more =
      'apiserver_audit_error_total{plugin="log"} 3\napiserver_flowcontrol_rejected_requests_total{priority_level="a",reason="b"} 2\n';
    const rejections =
      'apiserver_admission_webhook_rejection_count{name="x",error_type="no_error"} 4\napiserver_admission_webhook_rejection_count{name="x",error_type="calling_webhook_error"} 5\n';
    const found = figuresOf(serverText({ more: rejections }), serverText({ more: more + rejections }));
    expect(found.failures).toEqual({
      auditEvents: { inWindow: 3, sinceStart: 3 },
      auditRequests: { inWindow: 0, sinceStart: 0 },
      webhookRefusals: { inWindow: 0, sinceStart: 5 },
      webhookLetThrough: { inWindow: 0, sinceStart: 0 },
    });
    expect(found.rejected).toBe(2);
  });
});

test('histograms of the same verb are one; watches, connects and probes are left out', () => {
  const name = 'apiserver_request_duration_seconds';
  const of = (labels: string, counts: number[]) => histogram(name, { labels, bounds: [0.1, 0.8], counts });
  const rest = ['WATCH', 'CONNECT'].map((verb) => of(`verb="${verb}"`, [0, 0, 999])).join('');
  const probes = of('verb="GET",subresource="/livez"', [0, 0, 999]);
  const second = serverText({
    get: [50, 0, 0],
    more: of('verb="GET",resource="pods"', [49, 1, 0]) + of('verb="LIST"', [40, 0, 0]) + rest + probes,
  });
  expect(figuresOf(serverText({}), second).latency).toEqual([
    // Rank 99 of 99 in the first bucket.
    { of: 'GET', requests: 100, p99: { value: 0.1, lower: 0, upper: 0.1 } },
    { of: 'LIST', requests: 40, p99: { value: expect.closeTo(0.099, 12), lower: 0, upper: 0.1 } },
  ]);
});

describe('a restart', () => {
  const first = serverText({ codes: { 200: 100 }, get: [100, 0, 0] });
  const gone = {
    restarted: true,
    requests: null,
    answersPerSecond: null,
    latency: null,
    etcdLatency: null,
    rejected: null,
    certificates: null,
  };

  test('a counter went back: nothing is computed from counters', () => {
    expect(figuresOf(first, serverText({ codes: { 200: 99 }, get: [100, 0, 0] }))).toMatchObject({ ...gone, watches: 38 });
  });

  test('a series is gone', () => {
    expect(figuresOf(first, serverText({ codes: { 201: 400 }, get: [100, 0, 0] }))).toMatchObject(gone);
  });

  test('all counters are higher, but the process began later', () => {
    const second = serverText({ codes: { 200: 500 }, get: [500, 0, 0] }).replace('1.7e+09', '1700000003');
    expect(figuresOf(first, second)).toMatchObject(gone);
  });

  test("a second's step of the host's clock is none", () => {
    const second = serverText({ codes: { 200: 500 }, get: [500, 0, 0] }).replace('1.7e+09', '1700000001');
    expect(figuresOf(first, second)).toMatchObject({ restarted: false, requests: 400 });
  });
});

test('what is not served is named, and its figure is null, not 0', () => {
  const without = (name: string) =>
    serverText({ codes: { 200: 1 } })
      .split('\n')
      .filter((line) => !line.startsWith(name))
      .join('\n');
  for (const [name, figure] of [
    ['apiserver_request_total', 'requestsPerSecond'],
    ['apiserver_request_duration_seconds_bucket', 'latency'],
    ['etcd_request_duration_seconds_bucket', 'etcdLatency'],
    ['apiserver_current_inflight_requests', 'inFlight'],
    ['apiserver_flowcontrol_current_limit_seats', 'seats'],
    ['process_resident_memory_bytes', 'memoryBytes'],
    ['go_goroutines', 'goroutines'],
    ['apiserver_client_certificate_expiration_seconds_bucket', 'certificates'],
  ] as const) {
    const found = figuresOf(serverText({}), without(name));
    expect(found.missing).toEqual([name]);
    expect(found[figure], name).toBeNull();
    expect(found.restarted).toBe(false);
  }
  expect(missingMetrics(scrapeOf('', 0)).length).toBeLessThan(METRIC_NAMES.length);
});

describe('what a scrape keeps is bounded, and makes sense', () => {
  test('more series than an API server has are passed over, and counted', () => {
    const lines = Array.from({ length: 6000 }, (_, i) => `apiserver_request_total{code="${i}"} 1\n`);
    const scrape = scrapeOf(lines.join(''), 0);
    expect(scrape.dropped).toBe(1000);
    expect(scrape.series.get('apiserver_request_total')).toHaveLength(5000);
  });

  test.each([
    'apiserver_request_total NaN',
    'apiserver_request_total -1',
    'etcd_request_duration_seconds_bucket 1',
    'etcd_request_duration_seconds_bucket{le="x"} 1',
  ])('%s', (line) => {
    expect(scrapeOf(`${line}\n`, 0)).toMatchObject({ malformed: 1 });
  });
});
