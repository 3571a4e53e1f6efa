/** The public contract of `hale drill run --json`: numbers as a client saw them. Keys are only ever added. */
import type { DatapathName } from '../balancer/choice.ts';
import type { ByActivity, Fates, Measurement } from './measure.ts';
import type { Scenario } from './scenario.ts';
import { judge, outageBoundMs, type Verdict } from './verdict.ts';

export interface DrillResult {
  scenario: string;
  /** `address:port` under test. */
  endpoint: string;
  /** `kube-apiserver <version>` or `stand-in`. */
  apiserver: string;
  /** In force, also where `auto` chose it. */
  datapath: DatapathName;
  /** Agent timing profile in force. */
  profile: string;
  /** Wall-clock time of the fault, ISO 8601. */
  startedAt: string;
  outageMs: number;
  outageBoundMs: number;
  /** `everyMs` is the time between two, and so the resolution of the outage. */
  requests: { total: number; failed: number; everyMs: number };
  connections: Fates & {
    total: number;
    /** On API servers of the hosts that the fault struck, and of the others. */
    struck: ByActivity<Fates>;
    others: ByActivity<Fates>;
    /** Reset or hung although their API server's host was not struck; null when no connection says where it lives. */
    survivorsLost: number | null;
    /** From the fault until a connection on a struck host was reset; null when none was. */
    toldAfterMs: ByActivity<{ median: number | null; max: number | null }>;
  };
  holders: {
    maxSimultaneous: number;
    /** Longest time for which two hosts provably both answered. */
    overlapMs: number;
    /** Time between two rounds of questions to all hosts; null when nobody was asked. */
    watchedEveryMs: { median: number | null; p99: number | null; max: number | null };
    /** Who answered when, in milliseconds since the fault. */
    intervals: { host: string; fromMs: number; toMs: number }[];
  };
  holderBefore: string | null;
  holderAfter: string | null;
  servers: Measurement['servers'];
  /** `void`: the instruments stood still for too long, so that neither can be said. */
  verdict: Verdict['verdict'];
  reasons: string[];
  /** Path of the HTML report, or null when none was written. */
  report: string | null;
}

/** What surrounds the numbers and cannot be measured. */
export interface DrillFacts {
  scenario: Scenario;
  endpoint: string;
  apiserver: string;
  profile: string;
  leaseMs: number;
  startedAt: string;
  requestEveryMs: number;
  report: string | null;
}

export function drillResult(facts: DrillFacts, measurement: Measurement): DrillResult {
  const { requests } = measurement;
  const { scenario } = facts;
  return {
    scenario: scenario.name,
    endpoint: facts.endpoint,
    apiserver: facts.apiserver,
    datapath: measurement.datapath,
    profile: facts.profile,
    startedAt: facts.startedAt,
    outageMs: tenths(measurement.outage.outageMs),
    outageBoundMs: outageBoundMs(scenario, facts),
    requests: { total: requests.total, failed: requests.failed, everyMs: facts.requestEveryMs },
    connections: connectionsResult(measurement),
    holders: holdersResult(measurement),
    holderBefore: measurement.holderBefore,
    holderAfter: measurement.holderAfter,
    servers: measurement.servers,
    ...judge(scenario, measurement, facts),
    report: facts.report,
  };
}

function connectionsResult({ connections }: Measurement): DrillResult['connections'] {
  const { lostBeforeFault: _, toldAfterMs, ...counts } = connections;
  const told = ({ median, max }: { median: number; max: number }) => ({ median: orNull(median), max: orNull(max) });
  return { ...counts, toldAfterMs: { active: told(toldAfterMs.active), idle: told(toldAfterMs.idle) } };
}

function holdersResult({ holders, watchedEveryMs, faultMs }: Measurement): DrillResult['holders'] {
  const { median, p99, max } = watchedEveryMs;
  return {
    maxSimultaneous: holders.maxSimultaneous,
    // To the microsecond: rounding must not turn a short overlap into none.
    overlapMs: thousandths(holders.overlapMs),
    watchedEveryMs: { median: orNull(median), p99: orNull(p99), max: orNull(max) },
    intervals: holders.intervals.map(({ host, startMs, endMs }) => ({
      host,
      fromMs: tenths(startMs - faultMs),
      toMs: tenths(endMs - faultMs),
    })),
  };
}

function orNull(valueMs: number): number | null {
  return Number.isNaN(valueMs) ? null : thousandths(valueMs);
}

function thousandths(valueMs: number): number {
  return Math.round(valueMs * 1000) / 1000;
}

function tenths(valueMs: number): number {
  return Math.round(valueMs * 10) / 10;
}
