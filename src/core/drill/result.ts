/** The public contract of `hale drill run --json`: numbers as a client saw them. Keys are only ever added. */
import type { DatapathName } from '../balancer/choice.ts';
import type { ByActivity, Fates, Measurement } from './measure.ts';
import type { Scenario } from './scenario.ts';
import { judge, outageBoundMs, rigAllowanceMs, type Verdict } from './verdict.ts';

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
  /** What the drill allows; with a real control plane `rigAllowanceMs` is added to it. */
  outageBoundMs: number;
  /** Measured as the outage is, in the `forMs` before the fault: what the rig shows when nothing fails. */
  quiet: { gapMs: number; forMs: number };
  /** `quiet.gapMs` with a real control plane, which shares the machine's cores with its clients; 0 with stand-ins. */
  rigAllowanceMs: number;
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
  /** Clients of a real API server: watches, writers with a ledger, and GETs over new connections; absent where stand-ins serve. */
  fleet?: FleetResult;
  holderBefore: string | null;
  holderAfter: string | null;
  servers: Measurement['servers'];
  /** `void`: the instruments stood still for too long, so that neither can be said. */
  verdict: Verdict['verdict'];
  reasons: string[];
  /** Path of the HTML report, or null when none was written. */
  report: string | null;
}

interface FleetResult {
  writers: number;
  watchers: number;
  /** Acknowledged, or read back after an unknown outcome. */
  committedWrites: number;
  /** Not acknowledged, of those that had not ended before the fault. */
  failedWrites: number;
  lostWrites: number;
  overwrittenWrites: number;
  /** Writers whose object could not be read at the end. */
  unreadWriters: number;
  /** Counted for each watcher. */
  lostEvents: number;
  duplicateEvents: number;
  disorderedEvents: number;
  /** Watchers that lost their watch after the fault, that had none at the end, and lists after 410 Gone. */
  watchesLost: number;
  /** Of these, on API servers of hosts that were not struck: ended in order by the API server, and with a connection that broke. */
  lostElsewhere: { ended: number; broken: number };
  cutOff: number;
  relists: number;
  /** From when a client knew that its watch was lost to the next one; null when none was lost. */
  withoutWatchMs: { median: number | null; max: number | null };
  /** From the last that a client heard to the next watch. */
  unheardMs: { median: number | null; max: number | null };
  /** Until a write was acknowledged, or what it had come to was read; of those that had not ended before the fault. */
  writeMs: { median: number | null; max: number | null };
  /** Longest time without an acknowledgement of any writer. */
  stalledMs: number;
  /** Requests for a small object, each over a new connection. */
  gets: { total: number; failed: number; outageMs: number };
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
    quiet: { gapMs: tenths(measurement.quiet.gapMs), forMs: tenths(measurement.quiet.forMs) },
    rigAllowanceMs: tenths(rigAllowanceMs(measurement)),
    requests: { total: requests.total, failed: requests.failed, everyMs: facts.requestEveryMs },
    connections: connectionsResult(measurement),
    holders: holdersResult(measurement),
    ...(measurement.fleet && { fleet: fleetResult(measurement.fleet) }),
    holderBefore: measurement.holderBefore,
    holderAfter: measurement.holderAfter,
    servers: measurement.servers,
    ...judge(scenario, measurement, facts),
    report: facts.report,
  };
}

function connectionsResult({ connections }: Measurement): DrillResult['connections'] {
  const { lostBeforeFault: _, toldAfterMs, ...counts } = connections;
  return { ...counts, toldAfterMs: { active: spreadResult(toldAfterMs.active), idle: spreadResult(toldAfterMs.idle) } };
}

function fleetResult({ writers, watchers, ledger, times }: Required<Measurement>['fleet']): FleetResult {
  const { lostWrites, overwrittenWrites, lostEvents, duplicateEvents, disorderedEvents, committedWrites, unreadWriters, cutOff } = ledger;
  const { failedWrites, watchesLost, lostElsewhere, relists, gets } = times;
  return {
    writers,
    watchers,
    committedWrites,
    failedWrites,
    lostWrites: lostWrites.count,
    overwrittenWrites: overwrittenWrites.count,
    unreadWriters,
    lostEvents: lostEvents.count,
    duplicateEvents: duplicateEvents.count,
    disorderedEvents: disorderedEvents.count,
    watchesLost,
    lostElsewhere,
    cutOff,
    relists,
    withoutWatchMs: spreadResult(times.withoutWatchMs),
    unheardMs: spreadResult(times.unheardMs),
    writeMs: spreadResult(times.writeMs),
    stalledMs: tenths(times.stalledMs),
    gets: { ...gets, outageMs: tenths(gets.outageMs) },
  };
}

function spreadResult({ median, max }: { median: number; max: number }): { median: number | null; max: number | null } {
  return { median: orNull(median), max: orNull(max) };
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
