/** What one crash came to, and what all crashes of a subject come to. */
import { quantile } from '../../src/base/stats.ts';
import { tenths } from '../machine.ts';
import type { Crash } from './crash.ts';
import type { StartTimes } from './start.ts';
import type { Subject } from './subjects.ts';

/** Milliseconds; null where there was nothing to measure. */
export interface Times {
  median: number | null;
  max: number | null;
}

export interface Run {
  /** Of fresh requests: a new connection for each, none waits for another. */
  outageMs: number;
  failed: number;
  failedBefore: number;
  /** Of a client that reads one object over a new connection, again when it has an answer, as `kubectl get` in a loop. */
  loopMs: number;
  /** Of the clients that read over the connection that they have. */
  keptMs: Times;
  /** Watchers that lost their watch after the fault, how long they heard nothing, and how long they knew. */
  watchesLost: number;
  unheardMs: Times;
  withoutWatchMs: Times;
  /** Longest time without an acknowledged write. */
  stalledMs: number;
  committedWrites: number;
  /** Acknowledged, and not there afterwards, or overwritten by an older one. */
  lostWrites: number;
  /** Not seen, seen twice or out of order, counted for each watcher. */
  lostEvents: number;
  /** Writers and watchers of which the end is not known. */
  unknown: number;
  maxSimultaneous: number;
  overlapMs: number;
  moved: boolean;
  holderBefore: string | null;
  holderAfter: string | null;
  probeLagMs: number;
  watchedEveryMsMax: number;
}

export interface SubjectResult {
  name: string;
  does: readonly [string, string, string];
  hale: boolean;
  /** Runs repeated because there was no steady state before the fault. */
  discarded: number;
  runs: Run[];
  /** Of the discarded ones too. */
  starts: StartTimes[];
}

export function runOf({ measurement, keptOutagesMs, keptFailedBefore }: Crash): Run {
  const { outage, requests, holders, holderBefore, holderAfter, probeLagMs, watchedEveryMs, fleet } = measurement;
  if (fleet === undefined) throw new TypeError('a crash of a real control plane is measured with a fleet');
  const { ledger, times } = fleet;
  return {
    outageMs: tenths(outage.outageMs),
    failed: requests.failed,
    failedBefore: requests.failedBeforeFault + keptFailedBefore,
    loopMs: tenths(times.gets.outageMs),
    keptMs: timesOf(keptOutagesMs),
    watchesLost: times.watchesLost,
    unheardMs: { median: orNull(times.unheardMs.median), max: orNull(times.unheardMs.max) },
    withoutWatchMs: { median: orNull(times.withoutWatchMs.median), max: orNull(times.withoutWatchMs.max) },
    stalledMs: tenths(times.stalledMs),
    committedWrites: ledger.committedWrites,
    lostWrites: ledger.lostWrites.count + ledger.overwrittenWrites.count,
    lostEvents: ledger.lostEvents.count + ledger.duplicateEvents.count + ledger.disorderedEvents.count,
    unknown: ledger.unreadWriters + ledger.cutOff,
    maxSimultaneous: holders.maxSimultaneous,
    overlapMs: tenths(holders.overlapMs),
    moved: holderAfter !== null && holderAfter !== holderBefore,
    holderBefore,
    holderAfter,
    probeLagMs: tenths(probeLagMs),
    watchedEveryMsMax: tenths(watchedEveryMs.max),
  };
}

export function conclude(entry: { subject: Subject; runs: Run[]; starts: StartTimes[]; discarded: number }): SubjectResult {
  const { subject, ...rest } = entry;
  const { name, does, hale } = subject;
  return { name, does, hale, ...rest };
}

export function timesOf(values: readonly number[]): Times {
  return { median: orNull(quantile(values, 0.5)), max: orNull(quantile(values, 1)) };
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : tenths(value);
}
