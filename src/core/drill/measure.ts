/** A drill's record -> its numbers. Every definition that an auditor may ask for stands here, at the function that applies it. */
import { assert } from '../../base/assert.ts';
import { quantile } from '../../base/stats.ts';
import type { DatapathName } from '../balancer/choice.ts';
import { type Holders, holdersOf, lastHeard } from './holders.ts';
import type { FleetRecord } from './fleet.ts';
import { type FleetTimes, timeFleet } from './fleet-times.ts';
import { judgeFleet, type Ledger } from './ledger.ts';
import { type Outage, outageOf } from './outage.ts';
import { provenAnswers } from './proof.ts';
import { type ConnectionRecord, type DrillRecord, markTime, type RequestRecord } from './record.ts';

/** A connection that waits longer than this for an answer hangs: the client could not tell that its server was gone. */
const HUNG_AFTER_MS = 5000;

export type ConnectionFate = 'kept' | 'reset' | 'hung';
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
    ...(record.fleet && { fleet: measureFleet(record.fleet, faultMs) }),
  };
}

function measureFleet(fleet: FleetRecord, faultMs: number): Required<Measurement>['fleet'] {
  const { writers, watchers } = fleet;
  return { writers: writers.length, watchers: watchers.length, ledger: judgeFleet(fleet), times: timeFleet(fleet, faultMs) };
}

/** The second before the fault counts: who held the address then is part of the evidence. */
const WATCHED_BEFORE_MS = 1000;

function everyMs(askedMs: readonly number[], faultMs: number): Measurement['watchedEveryMs'] {
  const watched = askedMs.filter((timeMs) => timeMs >= faultMs - WATCHED_BEFORE_MS);
  const gaps = watched.slice(1).map((timeMs, i) => timeMs - (watched[i] as number));
  return { median: quantile(gaps, 0.5), p99: quantile(gaps, 0.99), max: quantile(gaps, 1) };
}

/**
 * Kept: answered after the fault on the same connection. Reset: closed or reset by the other side, so the client knew. Hung: neither,
 * for more than HUNG_AFTER_MS or until the end. Undefined: lost before the fault, so the fault is not to blame.
 *
 * An idle connection waits for nothing, so nothing shows how long it has been dead: it counts as hung when it was told later than
 * HUNG_AFTER_MS after the fault, or only found out by asking at the end.
 */
export function fateOf(connection: ConnectionRecord, faultMs: number): ConnectionFate | undefined {
  if (connection.resetMs !== undefined && connection.resetMs < faultMs) return undefined;
  if (connection.idle && connection.resetMs !== undefined) {
    const told = connection.waitingSinceMs === undefined && connection.resetMs - faultMs <= HUNG_AFTER_MS;
    return told ? 'reset' : 'hung';
  }
  if (connection.longestWaitMs > HUNG_AFTER_MS) return 'hung';
  if (connection.resetMs !== undefined) {
    return connection.waitingSinceMs !== undefined && connection.resetMs - connection.waitingSinceMs > HUNG_AFTER_MS ? 'hung' : 'reset';
  }
  return connection.waitingSinceMs === undefined && connection.lastAnswerMs > faultMs ? 'kept' : 'hung';
}

function countConnections({ connections, course }: DrillRecord, faultMs: number): ConnectionCounts {
  const counts = { total: 0, lostBeforeFault: 0, ...noFates(), struck: noneByActivity(), others: noneByActivity() };
  const toldMs: ByActivity<number[]> = { active: [], idle: [] };
  for (const connection of connections) {
    const fate = fateOf(connection, faultMs);
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
