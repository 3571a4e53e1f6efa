/** The public contract of `hale drill run --json`: numbers as a client saw them. Keys are only ever added. */
import type { Measurement } from './measure.ts';
import type { Scenario } from './scenario.ts';
import { judge, outageBoundMs } from './verdict.ts';

export interface DrillResult {
  scenario: string;
  /** `address:port` under test. */
  endpoint: string;
  /** `kube-apiserver <version>` or `stand-in`. */
  apiserver: string;
  /** Agent timing profile in force. */
  profile: string;
  /** Wall-clock time of the fault, ISO 8601. */
  startedAt: string;
  outageMs: number;
  outageBoundMs: number;
  requests: { total: number; failed: number };
  connections: { total: number; kept: number; reset: number; hung: number };
  holders: { maxSimultaneous: number; overlapMs: number };
  holderBefore: string | null;
  holderAfter: string | null;
  servers: Measurement['servers'];
  verdict: 'pass' | 'fail';
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
  report: string | null;
}

export function drillResult(facts: DrillFacts, measurement: Measurement): DrillResult {
  const { requests, connections, holders } = measurement;
  const { scenario } = facts;
  return {
    scenario: scenario.name,
    endpoint: facts.endpoint,
    apiserver: facts.apiserver,
    profile: facts.profile,
    startedAt: facts.startedAt,
    outageMs: tenths(measurement.outage.outageMs),
    outageBoundMs: outageBoundMs(scenario, facts),
    requests: { total: requests.total, failed: requests.failed },
    connections: { total: connections.total, kept: connections.kept, reset: connections.reset, hung: connections.hung },
    holders: { maxSimultaneous: holders.maxSimultaneous, overlapMs: tenths(holders.overlapMs) },
    holderBefore: measurement.holderBefore,
    holderAfter: measurement.holderAfter,
    servers: measurement.servers,
    ...judge(scenario, measurement, facts),
    report: facts.report,
  };
}

function tenths(valueMs: number): number {
  return Math.round(valueMs * 10) / 10;
}
