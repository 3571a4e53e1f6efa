import { quantile } from '../../base/stats.ts';
import type { FleetRecord, WriterRecord } from './fleet.ts';
import { outageOf } from './outage.ts';

/** What the clients of a fleet felt of the fault; times in milliseconds, NaN where there is none. */
export interface FleetTimes {
  /** Watches that ended before the fault. */
  watchesLostBefore: number;
  /** Watchers that lost their watch after the fault. */
  watchesLost: number;
  /** Of these, watchers of API servers on hosts that were not struck: those whose watch the API server ended in order, and those whose connection broke. */
  lostElsewhere: { ended: number; broken: number };
  /** Of all watches that were lost: from when the client knew to the next watch. */
  withoutWatchMs: Spread;
  /** The same from the last that was heard of the API server: also the time in which the client did not know, and up to one between two changes. */
  unheardMs: Spread;
  /** How often a watcher listed anew, because its resource version was gone. */
  relists: number;
  /** Writes that had not ended before the fault and were not acknowledged. */
  failedWrites: number;
  /** Of all writes that had not ended before the fault: until they were acknowledged, or what they had come to was read. */
  writeMs: Spread;
  /** The longest time without an acknowledgement, of any writer, that ended after the fault. Without an outage it is about the time between two writes of the fleet. */
  stalledMs: number;
  /** Requests over new connections: as `requests` and `outage` of the probe. */
  gets: { total: number; failed: number; outageMs: number };
}

export interface Spread {
  median: number;
  max: number;
}

/** `struck` names the hosts that the fault struck. */
export function timeFleet(fleet: FleetRecord, { faultMs, struck }: { faultMs: number; struck: readonly string[] }): FleetTimes {
  const { writers, watchers, gets, stoppedMs, endMs } = fleet;
  const all = watchers.flatMap((watcher) => watcher.gaps);
  const gaps = all.filter(({ lostMs }) => lostMs >= faultMs);
  const elsewhere = watchers.map((watcher) =>
    watcher.gaps.filter(({ lostMs, server }) => lostMs >= faultMs && server !== undefined && !struck.includes(server)),
  );
  const writes = writers.flatMap((writer) => writer.writes).filter((write) => write.endMs >= faultMs);
  return {
    watchesLostBefore: all.length - gaps.length,
    watchesLost: watchers.filter((watcher) => watcher.gaps.some(({ lostMs }) => lostMs >= faultMs)).length,
    lostElsewhere: {
      ended: elsewhere.filter((own) => own.length > 0 && own.every(({ error }) => error === undefined)).length,
      broken: elsewhere.filter((own) => own.some(({ error }) => error !== undefined)).length,
    },
    withoutWatchMs: spread(gaps.map(({ lostMs, resumedMs }) => (resumedMs ?? endMs) - lostMs)),
    unheardMs: spread(gaps.map(({ heardMs, resumedMs }) => (resumedMs ?? endMs) - heardMs)),
    relists: watchers.reduce((sum, { lists }) => sum + Math.max(0, lists.length - 1), 0),
    failedWrites: writes.filter(({ outcome }) => outcome !== 'acknowledged').length,
    writeMs: spread(writes.map((write) => write.endMs - write.sentMs)),
    stalledMs: stallOf(writers, { faultMs, stoppedMs }),
    gets: {
      total: gets.length,
      failed: gets.filter(({ ok }) => !ok).length,
      outageMs: outageOf(gets, faultMs).outageMs,
    },
  };
}

/** Writes end when the writers are told to: a stall that lasts until then is as long as it was seen. */
function stallOf(writers: readonly WriterRecord[], { faultMs, stoppedMs }: { faultMs: number; stoppedMs: number }): number {
  const writes = writers.flatMap((writer) => writer.writes).filter(({ outcome }) => outcome === 'acknowledged');
  const moments = [...writes.map((write) => write.endMs), stoppedMs].sort((a, b) => a - b);
  let longest = 0;
  let before = Math.min(faultMs, moments[0] as number);
  for (const ms of moments) {
    if (ms >= faultMs) longest = Math.max(longest, ms - before);
    before = ms;
  }
  return longest;
}

function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), max: quantile(values, 1) };
}
