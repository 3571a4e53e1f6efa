/**
 * Who held the address when, concluded from who answered for it, and which two hosts provably answered at the same time.
 *
 * An answer proves one moment between its question and its arrival. So a host's turn had begun when its first answer was heard, and had not
 * ended when its last answered question was sent; in between it lasted. Two turns overlap provably when each had begun before
 * the other ended: A answered a question that was asked at or after B's first answer was heard, and B one asked at or after A's first. What is
 * not provable so is not claimed, and a watch that runs late proves less, never more.
 *
 * A turn ends where a host left rounds unanswered that were asked, and for a while. Time alone does not end it: while the watch stalls nobody
 * is asked, so a stall cannot make an overlap look like two hand-overs.
 */
import type { WatchRecord } from './record.ts';

/** Far more than a queue delays an answer, far less than the shortest turn that a lease allows. */
const SILENT_MS = 40;

/** A host answered for the address from its first to its last answer. */
export interface HolderInterval {
  host: string;
  /** When the first answer was heard. */
  startMs: number;
  /** When the last question that was answered was asked. */
  provenUntilMs: number;
  /** When the last answer was heard. */
  endMs: number;
}

export interface Holders {
  /** In order of start. */
  intervals: HolderInterval[];
  /** 0 when nobody answered, 1 when never two at once. */
  maxSimultaneous: number;
  /** Longest time for which two hosts provably both answered; a lower bound. 0 when no two did, or for a moment without length. */
  overlapMs: number;
}

export function holdersOf(watch: WatchRecord): Holders {
  const intervals = intervalsOf(watch);
  return { intervals, ...overlapsOf(intervals) };
}

function intervalsOf({ askedMs, answers }: WatchRecord): HolderInterval[] {
  const intervals: HolderInterval[] = [];
  const open = new Map<string, { interval: HolderInterval; round: number }>();
  for (const { host, round, heardMs } of [...answers].sort((a, b) => a.round - b.round || a.heardMs - b.heardMs)) {
    const current = open.get(host);
    const askedAt = askedMs[round] as number;
    if (current !== undefined && (round - current.round <= 1 || askedAt - current.interval.provenUntilMs <= SILENT_MS)) {
      const { interval } = current;
      interval.startMs = Math.min(interval.startMs, heardMs);
      interval.provenUntilMs = askedAt;
      interval.endMs = Math.max(interval.endMs, heardMs);
      current.round = round;
    } else {
      const interval = { host, startMs: heardMs, provenUntilMs: askedAt, endMs: heardMs };
      intervals.push(interval);
      open.set(host, { interval, round });
    }
  }
  return intervals.sort((a, b) => a.startMs - b.startMs);
}

/** Intervals that share a common moment all contain the latest of their starts, so it is enough to look at each start. */
function overlapsOf(intervals: readonly HolderInterval[]): { maxSimultaneous: number; overlapMs: number } {
  let maxSimultaneous = 0;
  let overlapMs = 0;
  for (const latest of intervals) {
    const rivals = intervals.filter((other) => other.host !== latest.host && other.startMs <= latest.startMs && overlap(other, latest));
    maxSimultaneous = Math.max(maxSimultaneous, 1 + new Set(rivals.map((other) => other.host)).size);
    for (const other of rivals) overlapMs = Math.max(overlapMs, Math.min(other.provenUntilMs, latest.provenUntilMs) - latest.startMs);
  }
  return { maxSimultaneous, overlapMs };
}

function overlap(a: HolderInterval, b: HolderInterval): boolean {
  return a.startMs <= b.provenUntilMs && b.startMs <= a.provenUntilMs;
}

/** The host whose answer was heard last at or before `untilMs` and, when given, not before `sinceMs`. */
export function lastHeard({ answers }: WatchRecord, window: { sinceMs?: number; untilMs: number }): string | null {
  let last: { host: string; heardMs: number } | undefined;
  for (const answer of answers) {
    const inside = answer.heardMs <= window.untilMs && answer.heardMs >= (window.sinceMs ?? Number.NEGATIVE_INFINITY);
    if (inside && (last === undefined || answer.heardMs >= last.heardMs)) last = answer;
  }
  return last?.host ?? null;
}
