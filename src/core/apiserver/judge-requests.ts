import { REQUESTS_MIN, type Figures, type Latency } from './figures.ts';
import { lack, percent, type About, type Judgement, type Thresholds } from './judgement.ts';

export function judgeLatency(about: About, figures: Figures, { requestP99Ms }: Thresholds): Judgement[] {
  const { latency } = figures;
  if (latency === null) return [about.notJudged('request-p99', lack(figures, 'apiserver_request_duration_seconds_bucket'))];
  if (latency.length === 0) return [about.notJudged('request-p99', 'no request ended in the window')];
  return judgeLatencies(about, latency, {
    id: 'request-p99',
    thresholdMs: requestP99Ms,
    why: 'Controllers and people wait that long for one request in a hundred; the objective of Kubernetes itself is 1 s.',
    remedy:
      'Compare with etcd-p99: slow there, look at the disks of etcd. Else look for large LISTs, slow admission webhooks and full seats on this host.',
  });
}

export function judgeEtcd(about: About, figures: Figures, { etcdRequestP99Ms }: Thresholds): Judgement[] {
  const { etcdLatency } = figures;
  if (etcdLatency === null) return [about.notJudged('etcd-p99', lack(figures, 'etcd_request_duration_seconds_bucket'))];
  if (etcdLatency.length === 0) return [about.notJudged('etcd-p99', 'it asked etcd nothing in the window')];
  return judgeLatencies(about, etcdLatency, {
    id: 'etcd-p99',
    thresholdMs: etcdRequestP99Ms,
    why: 'Every write waits for etcd, and so does every consistent read.',
    remedy:
      'Look at the disk of this etcd member (its wal_fsync_duration), at what else writes to it, and at the network between the members.',
  });
}

interface P99 {
  id: 'request-p99' | 'etcd-p99';
  thresholdMs: number;
  why: string;
  remedy: string;
}

/** One for each with enough requests, and one for all that have too few. */
function judgeLatencies(about: About, latencies: readonly Latency[], p99: P99): Judgement[] {
  const [few, enough] = [
    latencies.filter(({ requests }) => requests < REQUESTS_MIN),
    latencies.filter(({ requests }) => requests >= REQUESTS_MIN),
  ];
  const judged = enough.map((latency) => judgeP99(about, latency, p99));
  if (few.length === 0) return judged;
  const counts = few.map(({ of, requests }) => `${requests} ${of}`).join(', ');
  return [...judged, about.notJudged(p99.id, `too few requests, it takes ${REQUESTS_MIN} of a kind: ${counts}`)];
}

function judgeP99(about: About, { of, requests, p99 }: Latency, { id, thresholdMs, why, remedy }: P99): Judgement {
  if (p99 === null) return about.notJudged(id, `${of}: its histogram has no bounds`);
  const ms = (seconds: number): number => Math.round(seconds * 1000);
  const [lower, upper] = [ms(p99.lower), ms(p99.upper)];
  const says =
    p99.upper === Number.POSITIVE_INFINITY
      ? `${of}: p99 is above ${lower} ms, the last bound of its histogram`
      : `${of}: p99 is ${ms(p99.value)} ms, between ${lower} and ${upper} ms for certain`;
  return about.compare(id, {
    value: p99.upper === Number.POSITIVE_INFINITY && lower === thresholdMs ? lower + 1 : ms(p99.value),
    threshold: thresholdMs,
    unit: 'ms',
    says: `${says} (${requests} requests)`,
    why,
    remedy,
  });
}

export function judgeSeats(about: About, figures: Figures, { inFlightPercent }: Thresholds): Judgement {
  const { seats } = figures;
  if (seats === null) {
    return about.notJudged(
      'in-flight',
      lack(figures, 'apiserver_flowcontrol_current_executing_seats', 'apiserver_flowcontrol_current_limit_seats'),
    );
  }
  if (seats.limit <= 0) return about.notJudged('in-flight', 'it says that it has no seats');
  const { fullest } = seats;
  const most = fullest === null ? '' : `; fullest is ${fullest.level} with ${fullest.executing} of ${fullest.limit}`;
  return about.compare('in-flight', {
    value: percent(seats.executing, seats.limit),
    threshold: inFlightPercent,
    unit: 'percent',
    says: `${seats.executing} of ${seats.limit} seats taken${most}`,
    why: 'When no seat is free requests wait, and then are refused with status 429 (API Priority and Fairness).',
    remedy:
      'Find who asks so much (`kubectl get --raw /debug/api_priority_and_fairness/dump_requests`), and slow it down, or give the API server more seats.',
  });
}

export function judgeRejected(about: About, figures: Figures): Judgement {
  const { rejected } = figures;
  if (rejected === null) return about.notJudged('rejected', lack(figures));
  return about.compare('rejected', {
    value: rejected,
    threshold: 0,
    unit: 'requests',
    says: `${rejected} requests refused for want of a seat`,
    why: 'They were answered 429: somebody has to try again, or gave up.',
    remedy:
      'Find the priority level in apiserver_flowcontrol_rejected_requests_total, and who asks so much; give it a FlowSchema of its own.',
  });
}
