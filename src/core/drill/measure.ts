/** A drill's record -> its numbers. Every definition that an auditor may ask for stands here, at the function that applies it. */
import { assert } from '../../base/assert.ts';
import { quantile } from '../../base/stats.ts';
import type { DatapathName } from '../balancer/choice.ts';
import { type ConnectionFate, fateOf, HUNG_AFTER_MS, signsOfLife } from './fate.ts';
import { type Holders, holdersOf, lastHeard } from './holders.ts';
import type { FleetRecord } from './fleet.ts';
import { type FleetTimes, timeFleet } from './fleet-times.ts';
import { judgeFleet, type Ledger } from './ledger.ts';
import { type Outage, outageOf, type Quiet, quietOf } from './outage.ts';
import { provenAnswers } from './proof.ts';
import { type DrillRecord, markTime, type RequestRecord } from './record.ts';

export type Fates = Record<ConnectionFate, number>;
/** Connections that ask every second, and those that wait in silence. */
export type ByActivity<T> = Record<'active' | 'idle', T>;

export interface ConnectionCounts extends Fates {
  total: number;
  lostBeforeFault: number;
  /** On API servers of the hosts that the fault struck, and of the others; a connection whose server is unknown is in neither. */
  struck: ByActivity<Fates>;
  others: ByActivity<Fates>;
  /** Reset or hung although their API server's host was not struck; null when no connection says where it lives. */
  survivorsLost: number | null;
  /** From the fault until a connection on a struck host was reset; NaN when none was. */
  toldAfterMs: ByActivity<{ median: number; max: number }>;
}

export interface Measurement {
  datapath: DatapathName;
  faultMs: number;
  outage: Outage;
  quiet: Quiet;
  requests: { total: number; failed: number; failedBeforeFault: number };
  /** How long after the fault the last request began that failed; 0 when none did. */
  failingForMs: number;
  connections: ConnectionCounts;
  /** Successful requests answered by each API server before and after the fault. */
  servers: Record<string, { before: number; after: number }>;
  holders: Holders;
  /** Time between two rounds of questions to all hosts, from the second before the fault on; NaN when nobody was asked. */
  watchedEveryMs: { median: number; p99: number; max: number };
  holderBefore: string | null;
  holderAfter: string | null;
  probeLagMs: number;
  /** Of a drill with a fleet. */
  fleet?: { writers: number; watchers: number; ledger: Ledger; times: FleetTimes };
}

export function measure(record: DrillRecord): Measurement {
  const faultMs = markTime(record, 'fault');
  assert(faultMs !== undefined, 'a drill record has a fault mark');
  const undoMs = markTime(record, 'undo') ?? Number.POSITIVE_INFINITY;
  const failed = record.requests.filter((request) => !request.ok);
  const watch = provenAnswers(record.watch, record.course);
  return {
    datapath: record.course.datapath,
    faultMs,
    outage: outageOf(record.requests, faultMs),
    quiet: quietOf(record.requests, faultMs),
    requests: {
      total: record.requests.length,
      failed: failed.length,
      failedBeforeFault: failed.filter((request) => request.endMs < faultMs).length,
    },
    failingForMs: Math.max(0, ...failed.map((request) => request.startMs - faultMs)),
    connections: countConnections(record, faultMs),
    servers: countServers(record.requests, faultMs),
    holders: holdersOf(watch),
    watchedEveryMs: everyMs(record.watch.askedMs, faultMs),
    holderBefore: lastHeard(watch, { untilMs: faultMs }),
    // Up to the undo: afterwards a returned host may rightly have taken the address back.
    holderAfter: lastHeard(watch, { sinceMs: faultMs, untilMs: undoMs }),
    probeLagMs: record.probeLagMs,
    ...(record.fleet && { fleet: measureFleet(record.fleet, { faultMs, struck: record.course.struck }) }),
  };
}

function measureFleet(fleet: FleetRecord, fault: { faultMs: number; struck: readonly string[] }): Required<Measurement>['fleet'] {
  const { writers, watchers } = fleet;
  return { writers: writers.length, watchers: watchers.length, ledger: judgeFleet(fleet), times: timeFleet(fleet, fault) };
}

/** The second before the fault counts: who held the address then is part of the evidence. */
const WATCHED_BEFORE_MS = 1000;

function everyMs(askedMs: readonly number[], faultMs: number): Measurement['watchedEveryMs'] {
  const watched = askedMs.filter((timeMs) => timeMs >= faultMs - WATCHED_BEFORE_MS);
  const gaps = watched.slice(1).map((timeMs, i) => timeMs - (watched[i] as number));
  return { median: quantile(gaps, 0.5), p99: quantile(gaps, 0.99), max: quantile(gaps, 1) };
}

function countConnections(record: DrillRecord, faultMs: number): ConnectionCounts {
  const { connections, course } = record;
  const signs = signsOfLife(record, faultMs);
  const counts = { total: 0, lostBeforeFault: 0, ...noFates(), struck: noneByActivity(), others: noneByActivity() };
  const toldMs: ByActivity<number[]> = { active: [], idle: [] };
  for (const connection of connections) {
    const fate = fateOf(connection, {
      faultMs,
      hungAfterMs: course.hungAfterMs ?? HUNG_AFTER_MS,
      signsMs: signs.get(connection.server) ?? [],
    });
    if (fate === undefined) {
      counts.lostBeforeFault++;
      continue;
    }
    counts.total++;
    counts[fate]++;
    if (connection.server === undefined) continue;
    const activity = connection.idle ? 'idle' : 'active';
    const isStruck = course.struck.includes(connection.server);
    counts[isStruck ? 'struck' : 'others'][activity][fate]++;
    if (isStruck && fate === 'reset') toldMs[activity].push((connection.resetMs as number) - faultMs);
  }
  const known = connections.some(({ server }) => server !== undefined);
  const { active, idle } = counts.others;
  return {
    ...counts,
    survivorsLost: known ? active.reset + active.hung + idle.reset + idle.hung : null,
    toldAfterMs: { active: spread(toldMs.active), idle: spread(toldMs.idle) },
  };
}

function noFates(): Fates {
  return { kept: 0, reset: 0, hung: 0 };
}

function noneByActivity(): ByActivity<Fates> {
  return { active: noFates(), idle: noFates() };
}

function spread(values: readonly number[]): { median: number; max: number } {
  return { median: quantile(values, 0.5), max: quantile(values, 1) };
}

function countServers(requests: readonly RequestRecord[], faultMs: number): Measurement['servers'] {
  const counts = new Map<string, { before: number; after: number }>();
  for (const request of requests) {
    if (!request.ok || request.server === undefined) continue;
    const count = counts.get(request.server) ?? { before: 0, after: 0 };
    counts.set(request.server, count);
    if (request.endMs <= faultMs) count.before++;
    else count.after++;
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
