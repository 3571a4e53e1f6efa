/**
 * Who held the address when, concluded from who answered for it.
 *
 * A sighting proves a moment, an interval needs a rule for silence, and a careless rule either invents an overlap or hides one:
 *
 * - Between two sightings of A, another host that was seen at least `turnSightings` times had a turn of its own: A ceased, and its
 *   interval is split. Seen fewer times, the two are interleaved: A's interval goes on, and the other lies inside it. Time plays no part
 *   in this, so that a probe that stalls for a while cannot make an overlap look like two hand-overs.
 * - When nobody else was seen in between, silence longer than `silenceMs` splits the interval (the host was gone and came back). That
 *   cannot hide an overlap: whoever was seen on both sides of that silence is interleaved by the first rule.
 *
 * A host that is seen even once between two nearby sightings of another therefore always counts as a second holder.
 */
import type { Sighting } from './record.ts';

export interface HolderRule {
  /** More than one host can answer between two answers of another under regular probing; less than the shortest turn a lease allows. */
  turnSightings: number;
  silenceMs: number;
}

/** For ARP or NDP every 5 ms and SYNs every 10 ms to each host: a holder is seen some 300 times a second, so 12 sightings are 40 ms. */
export const HOLDER_RULE: HolderRule = { turnSightings: 12, silenceMs: 60 };

/** A host answered for the address from its first to its last sighting. */
export interface HolderInterval {
  host: string;
  startMs: number;
  endMs: number;
}

export interface Holders {
  /** In order of start. */
  intervals: HolderInterval[];
  /** 0 when nobody answered, 1 when never two at once. */
  maxSimultaneous: number;
  /** Longest time two hosts provably both answered; a lower bound, as it ends at sightings. 0 when there was no overlap, or one of a single sighting. */
  overlapMs: number;
}

export function holdersOf(sightings: readonly Sighting[], rule: HolderRule = HOLDER_RULE): Holders {
  const sorted = [...sightings].sort((a, b) => a.timeMs - b.timeMs);
  const intervals = intervalsOf(sorted, rule);
  return { intervals, ...overlapsOf(intervals) };
}

interface OpenInterval {
  interval: HolderInterval;
  /** Sightings of each other host since this host was last seen. */
  others: Map<string, number>;
}

function intervalsOf(sorted: readonly Sighting[], rule: HolderRule): HolderInterval[] {
  const intervals: HolderInterval[] = [];
  const open = new Map<string, OpenInterval>();
  for (const { host, timeMs } of sorted) {
    const current = open.get(host);
    if (current !== undefined && continues(current, timeMs, rule)) {
      current.interval.endMs = timeMs;
      current.others.clear();
    } else {
      const interval = { host, startMs: timeMs, endMs: timeMs };
      intervals.push(interval);
      open.set(host, { interval, others: new Map() });
    }
    for (const [name, { others }] of open) {
      if (name !== host) others.set(host, (others.get(host) ?? 0) + 1);
    }
  }
  return intervals;
}

function continues({ interval, others }: OpenInterval, timeMs: number, rule: HolderRule): boolean {
  if (others.size === 0) return timeMs - interval.endMs <= rule.silenceMs;
  return Math.max(...others.values()) < rule.turnSightings;
}

/** Intervals that share a common moment all contain the latest of their starts, so it is enough to look at each start. */
function overlapsOf(intervals: readonly HolderInterval[]): { maxSimultaneous: number; overlapMs: number } {
  let maxSimultaneous = 0;
  let overlapMs = 0;
  for (const latest of intervals) {
    const rivals = intervals.filter((other) => other.host !== latest.host && other.startMs <= latest.startMs && overlaps(other, latest));
    maxSimultaneous = Math.max(maxSimultaneous, 1 + new Set(rivals.map((other) => other.host)).size);
    for (const other of rivals) overlapMs = Math.max(overlapMs, Math.min(other.endMs, latest.endMs) - latest.startMs);
  }
  return { maxSimultaneous, overlapMs };
}

/** Intervals that only touch are a hand-over; a single sighting strictly inside the other's interval is an overlap. */
function overlaps(a: HolderInterval, b: HolderInterval): boolean {
  const low = Math.max(a.startMs, b.startMs);
  const high = Math.min(a.endMs, b.endMs);
  if (low !== high) return low < high;
  return (a.startMs < low && low < a.endMs) || (b.startMs < low && low < b.endMs);
}

/** The host seen last at or before `timeMs` and, when given, not before `sinceMs`. */
export function lastSeen(sightings: readonly Sighting[], window: { sinceMs?: number; untilMs: number }): string | null {
  let last: Sighting | undefined;
  for (const sighting of sightings) {
    const inside = sighting.timeMs <= window.untilMs && sighting.timeMs >= (window.sinceMs ?? Number.NEGATIVE_INFINITY);
    if (inside && (last === undefined || sighting.timeMs >= last.timeMs)) last = sighting;
  }
  return last?.host ?? null;
}
