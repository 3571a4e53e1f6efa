import { histogramQuantile, observations, type Buckets, type Quantile } from '../prometheus/histogram.ts';
import { gauge, type Growth, grown } from '../prometheus/scrape.ts';
import type { MetricName } from './metrics.ts';
import { missingMetrics, type Scrape } from './scrape.ts';

/** Below so many requests a 99th percentile says nothing. */
export const REQUESTS_MIN = 30;

/** The 99th percentile of one verb, or of one operation of etcd. */
export interface Latency {
  of: string;
  requests: number;
  /** Seconds; null with fewer than REQUESTS_MIN. */
  p99: Quantile | null;
}

/** What happened between two scrapes of one API server, and how it stood at the second. Null where its metric is missing, or where it restarted. */
export interface Figures {
  seconds: number;
  restarted: boolean;
  /** Metrics that it should serve, and does not. */
  missing: MetricName[];
  malformed: number;
  firstMalformed: Scrape['firstMalformed'];
  dropped: number;
  /** Without those for its health. A watch counts when it ends. */
  requests: number | null;
  requestsPerSecond: number | null;
  /** Answers per second by the first digit of their status, `2xx` to `5xx`, and `other`. */
  answersPerSecond: Record<string, number> | null;
  latency: Latency[] | null;
  etcdLatency: Latency[] | null;
  /** Most requests at once in the last second. */
  inFlight: { readOnly: number; mutating: number } | null;
  seats: Seats | null;
  /** Refused for want of a seat, in the window. */
  rejected: number | null;
  watches: number | null;
  memoryBytes: number | null;
  goroutines: number | null;
  /** Connections and files; it counts no connections alone. */
  openFiles: number | null;
  failures: Record<FailureKind, Count | null>;
  /** Requests in the window with a client certificate, by how long that still lasted: at or below each bound in seconds. */
  certificates: Buckets | null;
}

export interface Seats {
  /** More of both scrapes. Requests that are exempt are outside the limit, and not counted. */
  executing: number;
  limit: number;
  /** The priority level with the largest part of its own seats taken. */
  fullest: { level: string; executing: number; limit: number } | null;
}

export type FailureKind = 'auditEvents' | 'auditRequests' | 'webhookRefusals' | 'webhookLetThrough';

export interface Count {
  inWindow: number;
  sinceStart: number;
}

/** `first` and `second` are of the same API server, in this order. */
export function computeFigures(first: Scrape, second: Scrape): Figures {
  const pair = { first, second, seconds: (second.atMs - first.atMs) / 1000, restarted: wentBack(first, second) };
  const requests = sum(growth(pair, 'apiserver_request_total'));
  return {
    seconds: pair.seconds,
    restarted: pair.restarted,
    missing: missingMetrics(second),
    malformed: first.malformed + second.malformed,
    firstMalformed: first.firstMalformed ?? second.firstMalformed,
    dropped: first.dropped + second.dropped,
    requests,
    requestsPerSecond: requests === null ? null : requests / pair.seconds,
    answersPerSecond: answers(pair),
    latency: latencies(pair, 'apiserver_request_duration_seconds_bucket'),
    etcdLatency: latencies(pair, 'etcd_request_duration_seconds_bucket'),
    inFlight: inFlight(second),
    seats: seats(first, second),
    rejected: sum(growth(pair, 'apiserver_flowcontrol_rejected_requests_total')),
    watches: gauge(second, 'apiserver_longrunning_requests', 'WATCH'),
    memoryBytes: gauge(second, 'process_resident_memory_bytes'),
    goroutines: gauge(second, 'go_goroutines'),
    openFiles: gauge(second, 'process_open_fds'),
    failures: {
      auditEvents: count(pair, 'apiserver_audit_error_total'),
      auditRequests: count(pair, 'apiserver_audit_requests_rejected_total'),
      webhookRefusals: count(pair, 'apiserver_admission_webhook_rejection_count'),
      webhookLetThrough: count(pair, 'apiserver_admission_webhook_fail_open_count'),
    },
    certificates: certificates(pair),
  };
}

interface Pair {
  first: Scrape;
  second: Scrape;
  seconds: number;
  restarted: boolean;
}

const COUNTERS: readonly MetricName[] = [
  'apiserver_request_total',
  'apiserver_request_duration_seconds_bucket',
  'etcd_request_duration_seconds_bucket',
];
/** The time of the start is counted from the host's wall clock, which is set now and then. */
const CLOCK_STEP_SECONDS = 2;

/** A counter is lower than before; or, where a short life had counted little, the process began at another time. */
function wentBack(first: Scrape, second: Scrape): boolean {
  const [before, after] = [first, second].map((scrape) => gauge(scrape, 'process_start_time_seconds') ?? 0) as [number, number];
  if (after - before > CLOCK_STEP_SECONDS) return true;
  return COUNTERS.some((name) => second.series.has(name) && grown(second, first, name).some(({ by }) => by > 0));
}

/** Null after a restart, and where a metric that is always served is missing. */
function growth({ first, second, restarted }: Pair, name: MetricName): Growth[] | null {
  const isMissing = [first, second].some((scrape) => missingMetrics(scrape).includes(name));
  return restarted || isMissing ? null : grown(first, second, name);
}

function sum(growths: Growth[] | null): number | null {
  return growths === null ? null : growths.reduce((total, { by }) => total + by, 0);
}

function answers(pair: Pair): Figures['answersPerSecond'] {
  const growths = growth(pair, 'apiserver_request_total');
  if (growths === null) return null;
  const classes: Record<string, number> = {};
  for (const { labels, by } of growths) {
    if (by === 0) continue;
    const digit = /^[1-5]\d\d$/.test(labels[0] as string) ? `${labels[0]?.[0]}xx` : 'other';
    classes[digit] = (classes[digit] ?? 0) + by / pair.seconds;
  }
  return classes;
}

function latencies(pair: Pair, name: MetricName): Latency[] | null {
  const growths = growth(pair, name);
  if (growths === null) return null;
  const histograms = new Map<string, [number, number][]>();
  for (const { labels, bound, by } of growths) {
    const of = labels[0] as string;
    const buckets = histograms.get(of) ?? [];
    buckets.push([bound as number, by]);
    histograms.set(of, buckets);
  }
  return [...histograms]
    .map(([of, buckets]) => {
      const requests = observations(buckets) ?? 0;
      return { of, requests, p99: requests < REQUESTS_MIN ? null : (histogramQuantile(buckets, 0.99) ?? null) };
    })
    .filter(({ requests }) => requests > 0)
    .toSorted((a, b) => b.requests - a.requests || (a.of < b.of ? -1 : 1));
}

function inFlight(scrape: Scrape): Figures['inFlight'] {
  const of = (kind: string): number | null => gauge(scrape, 'apiserver_current_inflight_requests', kind);
  const readOnly = of('readOnly');
  const mutating = of('mutating');
  return readOnly === null || mutating === null ? null : { readOnly, mutating };
}

const EXEMPT = 'exempt';

function seats(first: Scrape, second: Scrape): Seats | null {
  const [before, after] = [seatsAt(first), seatsAt(second)];
  if (before === null || after === null) return null;
  return before.executing > after.executing ? before : after;
}

function seatsAt(scrape: Scrape): Seats | null {
  const limits = scrape.series.get('apiserver_flowcontrol_current_limit_seats');
  if (limits === undefined || !scrape.series.has('apiserver_flowcontrol_current_executing_seats')) return null;
  const levels = limits
    .map(({ labels, value: limit }) => ({
      level: labels[0] as string,
      executing: gauge(scrape, 'apiserver_flowcontrol_current_executing_seats', labels[0]) ?? 0,
      limit,
    }))
    .filter(({ level }) => level !== EXEMPT);
  const filled = (level: { executing: number; limit: number }): number => (level.limit > 0 ? level.executing / level.limit : 0);
  const [fullest] = levels.toSorted((a, b) => filled(b) - filled(a));
  return {
    executing: levels.reduce((total, { executing }) => total + executing, 0),
    limit: levels.reduce((total, { limit }) => total + limit, 0),
    fullest: fullest !== undefined && fullest.executing > 0 ? fullest : null,
  };
}

function count(pair: Pair, name: MetricName): Count | null {
  const inWindow = sum(growth(pair, name));
  return inWindow === null ? null : { inWindow, sinceStart: gauge(pair.second, name) ?? 0 };
}

function certificates(pair: Pair): Buckets | null {
  const growths = growth(pair, 'apiserver_client_certificate_expiration_seconds_bucket');
  return growths?.map(({ bound, by }) => [bound as number, by] as const).toSorted(([a], [b]) => a - b) ?? null;
}
