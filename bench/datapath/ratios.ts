/** The targets, and how what was measured compares with them. Pure. */

export interface Numbers {
  gbps: number;
  uploadGbps: number;
  connectionsPerSecond: number;
  p50us: number;
  p99us: number;
}

export type Measured = Readonly<Record<string, Numbers | null>>;

interface Goal {
  what: string;
  key: keyof Numbers;
  subject: string;
  over: string;
  must: number;
  aim: number;
}

/** Latencies shall be at most that many times those of the other, everything else at least. */
const GOALS: readonly Goal[] = [
  { what: 'throughput', key: 'gbps', subject: 'dsr', over: 'direct', must: 0.9, aim: 0.98 },
  { what: 'throughput', key: 'gbps', subject: 'dsr', over: 'haproxy', must: 1.8, aim: 2.2 },
  { what: 'connections per second', key: 'connectionsPerSecond', subject: 'dsr', over: 'haproxy', must: 1.5, aim: 2 },
  { what: 'latency, p50', key: 'p50us', subject: 'dsr', over: 'direct', must: 1.1, aim: 1.02 },
  { what: 'latency, p99', key: 'p99us', subject: 'dsr', over: 'direct', must: 1.1, aim: 1.02 },
  { what: 'throughput', key: 'gbps', subject: 'socket', over: 'direct', must: 0.95, aim: 0.99 },
  { what: 'connections per second', key: 'connectionsPerSecond', subject: 'socket', over: 'direct', must: 0.95, aim: 0.99 },
  { what: 'throughput', key: 'gbps', subject: 'nat', over: 'forwarding', must: 0.95, aim: 1 },
  { what: 'connections per second', key: 'connectionsPerSecond', subject: 'nat', over: 'forwarding', must: 0.92, aim: 0.97 },
  { what: 'throughput', key: 'gbps', subject: 'proxy', over: 'haproxy', must: 1, aim: 1.2 },
  { what: 'connections per second', key: 'connectionsPerSecond', subject: 'proxy', over: 'haproxy', must: 0.5, aim: 0.8 },
];

export interface Ratio {
  /** For example `dsr over direct: throughput`. */
  what: string;
  /** To two decimals; null when one of the two was not measured. */
  ratio: number | null;
  must: number;
  aim: number;
  atMost: boolean;
  verdict: 'aim' | 'must' | 'missed' | 'not measured';
}

/** The verdict is on the ratio as it is printed, so that nobody reads 0.90 as missed beside a target of 0.90. */
export function ratios(measured: Measured): Ratio[] {
  return GOALS.map(({ what, key, subject, over, must, aim }) => {
    const [of, to] = [measured[subject], measured[over]];
    const ratio = of && to ? Math.round((100 * of[key]) / to[key]) / 100 : null;
    const atMost = key === 'p50us' || key === 'p99us';
    return { what: `${subject} over ${over}: ${what}`, ratio, must, aim, atMost, verdict: verdictOf({ ratio, must, aim, atMost }) };
  });
}

function verdictOf({ ratio, must, aim, atMost }: Pick<Ratio, 'ratio' | 'must' | 'aim' | 'atMost'>): Ratio['verdict'] {
  if (ratio === null) return 'not measured';
  const reaches = (bound: number): boolean => (atMost ? ratio <= bound : ratio >= bound);
  if (reaches(aim)) return 'aim';
  return reaches(must) ? 'must' : 'missed';
}
