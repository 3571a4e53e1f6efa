/**
 * The ledger of a fleet: whether what the API acknowledged is there afterwards, and whether every watcher saw every change once and in order, as Kubernetes promises
 * (kubernetes.io, "Efficient detection of changes").
 */
import type { FleetRecord, ListRecord, WatcherRecord, WriterRecord } from './fleet.ts';

/** Breaches of one kind: how many, and the first of them in words. */
export interface Breach {
  count: number;
  /** Null when there is none. */
  example: string | null;
}

export interface Ledger {
  /** Acknowledged, or read back after an unknown outcome. */
  committedWrites: number;
  /** Acknowledged writes that a later read did not find, neither themselves nor a later one. */
  lostWrites: Breach;
  /** Acknowledged writes after which, by the order of resource versions, an older one came. */
  overwrittenWrites: Breach;
  /** Writers whose object could not be read at the end: their losses are not known. */
  unreadWriters: number;
  /** Changes that a watcher did not see, counted for each watcher, though it has seen or listed later ones. */
  lostEvents: Breach;
  /** Events that came to a watcher again. */
  duplicateEvents: Breach;
  /** Events that came after later ones, for the first time. */
  disorderedEvents: Breach;
  /** Watchers that had no watch at the end. */
  cutOff: number;
}

interface Version {
  writer: number;
  sequence: number;
  resourceVersion: number;
}

/** The events that a watcher saw between two lists. */
interface Segment {
  list: ListRecord;
  events: Version[];
  /** What ended it; undefined for the last one, which is judged to the end. */
  next: ListRecord | undefined;
}

export function judgeFleet({ writers, watchers }: FleetRecord): Ledger {
  const history = new History(writers);
  const segments = watchers.map((watcher) => segmentsOf(watcher, history));
  const versions = history.inOrder();
  const breaches = { lostEvents: none(), duplicateEvents: none(), disorderedEvents: none() };
  for (const [watcher, parts] of segments.entries()) {
    for (const segment of parts) {
      const open = segment.next === undefined && isCutOff(watchers[watcher] as WatcherRecord);
      judgeSegment({ watcher, segment, open, versions, breaches });
    }
  }
  return {
    committedWrites: writers.reduce((sum, { writes }) => sum + writes.filter(isCommitted).length, 0),
    lostWrites: lostWrites(writers),
    overwrittenWrites: history.overwritten(),
    unreadWriters: writers.filter(({ final }) => final === null).length,
    ...breaches,
    cutOff: watchers.filter(isCutOff).length,
  };
}

function isCommitted({ outcome }: { outcome: string }): boolean {
  return outcome === 'acknowledged' || outcome === 'found';
}

/** It ends without a watch: it may yet see what it has not seen. */
function isCutOff({ lists, gaps }: WatcherRecord): boolean {
  return lists.length === 0 || gaps.at(-1)?.resumedMs === null;
}

function none(): Breach {
  return { count: 0, example: null };
}

function note(breach: Breach, example: () => string): void {
  breach.example ??= example();
  breach.count++;
}

/** By what the writers read themselves: a read that begins after an acknowledgement finds that write or a later one. */
function lostWrites(writers: readonly WriterRecord[]): Breach {
  const breach = none();
  for (const [writer, { writes, reads, final }] of writers.entries()) {
    const all = final === null ? reads : [...reads, final];
    for (const write of writes.filter(isCommitted)) {
      const past = all.find(({ after, sequence }) => after >= write.sequence && sequence < write.sequence);
      if (past !== undefined) {
        note(
          breach,
          () => `write ${write.sequence} of writer ${writer} was ${write.outcome}, and ${past.sequence} was read after ${past.after}`,
        );
      }
    }
  }
  return breach;
}

function segmentsOf({ lists, events }: WatcherRecord, history: History): Segment[] {
  return lists.map((list, i) => {
    const next = lists[i + 1];
    const until = (next?.events ?? events.length / 3) * 3;
    const seen: Version[] = [];
    for (let at = list.events * 3; at < until; at += 3) {
      const [writer, sequence, resourceVersion] = events.slice(at, at + 3) as [number, number, number];
      seen.push(history.add({ writer, sequence, resourceVersion }));
    }
    return { list, next, events: seen };
  });
}

/** Every version that is known to have existed, because its write was acknowledged or somebody saw it; each is one object. */
class History {
  readonly #known = new Map<string, Version>();
  readonly #acknowledged: readonly Set<number>[];

  constructor(writers: readonly WriterRecord[]) {
    for (const [writer, { writes, reads, final }] of writers.entries()) {
      for (const { sequence, resourceVersion } of [...writes, ...reads, ...(final === null ? [] : [final])]) {
        if (resourceVersion !== undefined) this.add({ writer, sequence, resourceVersion });
      }
    }
    this.#acknowledged = writers.map(({ writes }) => new Set(writes.filter(isCommitted).map(({ sequence }) => sequence)));
  }

  add(version: Version): Version {
    const key = `${version.resourceVersion} ${version.writer} ${version.sequence}`;
    const known = this.#known.get(key) ?? version;
    this.#known.set(key, known);
    return known;
  }

  /** By resource version; of two under one, which no history can have, the later write first, so that the other counts as its overwriting. */
  inOrder(): Version[] {
    return [...this.#known.values()].sort((a, b) => a.resourceVersion - b.resourceVersion || b.sequence - a.sequence);
  }

  overwritten(): Breach {
    const breach = none();
    const newest = new Map<number, Version>();
    for (const version of this.inOrder()) {
      const before = newest.get(version.writer);
      if (before !== undefined && version.sequence < before.sequence) {
        note(breach, () => `${inWords(before)} was followed by ${inWords(version)}`);
        newest.delete(version.writer);
      } else if (this.#acknowledged[version.writer]?.has(version.sequence)) newest.set(version.writer, version);
    }
    return breach;
  }
}

function inWords({ writer, sequence, resourceVersion }: Version): string {
  return `write ${sequence} of writer ${writer} (resource version ${resourceVersion})`;
}

interface Judgement {
  watcher: number;
  segment: Segment;
  /** It may yet see what came last. */
  open: boolean;
  versions: readonly Version[];
  breaches: Pick<Ledger, 'lostEvents' | 'duplicateEvents' | 'disorderedEvents'>;
}

/** From its list on a watcher sees every version once, in order; what came after its last event and before the next list, that list supersedes. */
function judgeSegment({ watcher, segment, open, versions, breaches }: Judgement): void {
  const { list, events, next } = segment;
  const seen = new Set<Version>();
  let last = list.resourceVersion;
  for (const event of events) {
    if (seen.has(event) || event.resourceVersion <= list.resourceVersion) {
      note(breaches.duplicateEvents, () => `watcher ${watcher} saw ${inWords(event)} again`);
    } else if (event.resourceVersion < last) {
      note(breaches.disorderedEvents, () => `watcher ${watcher} saw ${inWords(event)} after ${last}`);
    }
    seen.add(event);
    last = Math.max(last, event.resourceVersion);
  }
  const until = next === undefined && !open ? Number.POSITIVE_INFINITY : last;
  const listed = new Map<number, Version>();
  for (const version of versions) {
    if (version.resourceVersion <= list.resourceVersion) listed.set(version.writer, version);
    else if (version.resourceVersion <= until && !seen.has(version)) {
      note(breaches.lostEvents, () => `watcher ${watcher} never saw ${inWords(version)}`);
    }
  }
  for (const version of listed.values()) {
    if ((list.sequences[version.writer] ?? 0) < version.sequence) {
      note(breaches.lostEvents, () => `the list of watcher ${watcher} at ${list.resourceVersion} lacks ${inWords(version)}`);
    }
  }
}
