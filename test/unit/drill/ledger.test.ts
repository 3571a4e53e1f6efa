import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FleetRecord, ListRecord, WatcherRecord, WriterRecord } from '../../../src/core/drill/fleet.ts';
import { judgeFleet, type Ledger } from '../../../src/core/drill/ledger.ts';

interface Version {
  writer: number;
  sequence: number;
  resourceVersion: number;
}

/** What a run of the API really was, from which the records of clients follow. */
interface Course {
  writers: number;
  /** In the order of resource versions. */
  versions: Version[];
  /** Writes whose answer was lost, by their place in `versions`. */
  unanswered: Set<number>;
  /** Of each watcher: after how many versions it began, and after how many it was told 410 Gone and after how many it then listed. */
  watchers: { from: number; relist?: { goneAt: number; listedAt: number } }[];
}

const course: fc.Arbitrary<Course> = fc
  .record({
    writers: fc.integer({ min: 1, max: 4 }),
    order: fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 40 }),
    steps: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 40, maxLength: 40 }),
    unanswered: fc.array(fc.nat({ max: 39 }), { maxLength: 5 }),
    watchers: fc.array(fc.tuple(fc.nat({ max: 40 }), fc.option(fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 40 })))), {
      minLength: 1,
      maxLength: 4,
    }),
  })
  .map(({ writers, order, steps, unanswered, watchers }) => {
    const sequences = Array.from({ length: writers }, () => 0);
    let resourceVersion = 100;
    const versions = order.map((any, i) => {
      const writer = any % writers;
      sequences[writer] = (sequences[writer] as number) + 1;
      resourceVersion += steps[i] as number;
      return { writer, sequence: sequences[writer], resourceVersion };
    });
    const within = (from: number, n: number): number => from + (n % (versions.length - from + 1));
    return {
      writers,
      versions,
      unanswered: new Set(unanswered.filter((i) => i < versions.length)),
      watchers: watchers.map(([start, relist]) => {
        const from = within(0, start);
        if (relist === null) return { from };
        const goneAt = within(from, relist[0]);
        return { from, relist: { goneAt, listedAt: within(goneAt, relist[1]) } };
      }),
    };
  });

/** Only what comes between two changes; the course's own order is that of the versions. */
const TICK_MS = 10;

function listAt({ writers, versions }: Course, count: number, events: number): ListRecord {
  const sequences = Array.from({ length: writers }, () => 0);
  for (const { writer, sequence } of versions.slice(0, count)) sequences[writer] = sequence;
  return { resourceVersion: versions[count - 1]?.resourceVersion ?? 100, sequences, events };
}

function flat(versions: readonly Version[]): number[] {
  return versions.flatMap(({ writer, sequence, resourceVersion }) => [writer, sequence, resourceVersion]);
}

function recordOf(run: Course): FleetRecord {
  const { versions, unanswered } = run;
  const writers: WriterRecord[] = Array.from({ length: run.writers }, () => ({ writes: [], reads: [], final: null }));
  for (const [i, { writer, sequence, resourceVersion }] of versions.entries()) {
    const times = { sentMs: i * TICK_MS, endMs: i * TICK_MS + 5 };
    const record = writers[writer] as WriterRecord;
    if (unanswered.has(i)) record.reads.push({ after: sequence, sequence, resourceVersion });
    record.writes.push({ sequence, ...times, outcome: unanswered.has(i) ? 'found' : 'acknowledged', resourceVersion });
    record.final = { after: sequence, sequence, resourceVersion };
  }
  const watchers: WatcherRecord[] = run.watchers.map(({ from, relist }) => {
    const first = listAt(run, from, 0);
    if (relist === undefined) return { lists: [first], events: flat(versions.slice(from)), gaps: [] };
    const before = versions.slice(from, relist.goneAt);
    const lists = [first, listAt(run, relist.listedAt, before.length)];
    return { lists, events: flat([...before, ...versions.slice(relist.listedAt)]), gaps: [{ heardMs: 1, lostMs: 2, resumedMs: 3 }] };
  });
  const endMs = versions.length * TICK_MS;
  return { writers, watchers, gets: [], stoppedMs: endMs, endMs };
}

function breaches(ledger: Ledger): Record<string, number> {
  const { lostWrites, overwrittenWrites, lostEvents, duplicateEvents, disorderedEvents } = ledger;
  return Object.fromEntries(
    Object.entries({ lostWrites, overwrittenWrites, lostEvents, duplicateEvents, disorderedEvents })
      .map(([name, { count }]) => [name, count] as const)
      .filter(([, count]) => count > 0),
  );
}

/** A course and the place of an event that a watcher saw in it; courses in which nobody saw any are of no use. */
const seen = fc
  .tuple(course, fc.nat(), fc.nat())
  .map(([run, i, j]) => {
    const record = recordOf(run);
    const watchers = record.watchers.filter(({ events }) => events.length > 0);
    const watcher = watchers[i % Math.max(1, watchers.length)];
    return { run, record, watcher, at: watcher === undefined ? 0 : j % (watcher.events.length / 3) };
  })
  .filter(({ watcher }) => watcher !== undefined) as fc.Arbitrary<{ run: Course; record: FleetRecord; watcher: WatcherRecord; at: number }>;

/** Keeps the places of later lists right. */
function splice(watcher: WatcherRecord, at: number, removed: number, ...added: number[]): void {
  watcher.events.splice(at * 3, removed * 3, ...added);
  for (const list of watcher.lists) if (list.events > at) list.events += added.length / 3 - removed;
}

describe('ledger of a fleet', () => {
  test('raises no alarm about any course in which the API kept its word, with relists and unknown outcomes', () => {
    fc.assert(
      fc.property(course, (run) => {
        const ledger = judgeFleet(recordOf(run));
        expect(breaches(ledger)).toEqual({});
        expect(ledger).toMatchObject({ committedWrites: run.versions.length, cutOff: 0 });
        expect(ledger.unreadWriters).toBe(run.writers - new Set(run.versions.map(({ writer }) => writer)).size);
      }),
      { numRuns: 500 },
    );
  });

  test('finds an event that one watcher never saw, unless a later list makes up for it', () => {
    fc.assert(
      fc.property(seen, ({ record, watcher, at }) => {
        const [, , resourceVersion] = watcher.events.slice(at * 3, at * 3 + 3) as [number, number, number];
        const part = watcher.lists.findLastIndex(({ events }) => events <= at);
        const next = watcher.lists[part + 1];
        splice(watcher, at, 1);
        // The last before a list: it could have been that the client had not been sent it yet.
        const supersedes = next !== undefined && next.events === at;
        const found = breaches(judgeFleet(record));
        expect(found).toEqual(supersedes ? {} : { lostEvents: 1 });
        if (!supersedes) expect(judgeFleet(record).lostEvents.example).toContain(`resource version ${resourceVersion}`);
      }),
      { numRuns: 500 },
    );
  });

  test('finds an event that came twice, and one that came after a later one', () => {
    fc.assert(
      fc.property(seen, ({ record, watcher, at }) => {
        const event = watcher.events.slice(at * 3, at * 3 + 3);
        splice(watcher, at, 0, ...event);
        expect(breaches(judgeFleet(record))).toEqual({ duplicateEvents: 1 });
        splice(watcher, at, 1);
        const next = watcher.events.slice((at + 1) * 3, (at + 1) * 3 + 3);
        fc.pre(next.length > 0 && !watcher.lists.some(({ events }) => events === at + 1));
        splice(watcher, at, 2, ...next, ...event);
        expect(breaches(judgeFleet(record))).toEqual({ disorderedEvents: 1 });
      }),
      { numRuns: 300 },
    );
  });

  test('finds a list that lacks what was acknowledged before it', () => {
    fc.assert(
      fc.property(course, fc.nat(), (run, i) => {
        const record = recordOf(run);
        const { lists } = record.watchers[i % record.watchers.length] as WatcherRecord;
        const list = lists.at(-1) as ListRecord;
        const writer = list.sequences.findIndex((sequence) => sequence > 0);
        fc.pre(writer >= 0);
        list.sequences[writer] = (list.sequences[writer] as number) - 1;
        expect(breaches(judgeFleet(record))).toEqual({ lostEvents: 1 });
      }),
    );
  });

  test('finds acknowledged writes that the API forgot, whether at the end or when it was read in between', () => {
    fc.assert(
      fc.property(course, fc.nat(), (run, n) => {
        const last = run.versions.at(-1) as Version;
        const acknowledged = run.versions.filter(({ writer }) => writer === last.writer);
        const forgotten = 1 + (n % acknowledged.length);
        const old = acknowledged.at(-1 - forgotten) ?? { sequence: 0, resourceVersion: 1 };
        const read = { after: last.sequence, sequence: old.sequence, resourceVersion: old.resourceVersion };
        const atEnd = recordOf(run);
        (atEnd.writers[last.writer] as WriterRecord).final = read;
        expect(breaches(judgeFleet(atEnd))).toEqual({ lostWrites: forgotten });
        const between = recordOf(run);
        (between.writers[last.writer] as WriterRecord).reads.push(read);
        // A later write hides it from the last read.
        expect(breaches(judgeFleet(between))).toEqual({ lostWrites: forgotten });
      }),
    );
  });

  test('finds an acknowledged write over which an older one was written', () => {
    fc.assert(
      fc.property(course, (run) => {
        const last = run.versions.at(-1) as Version;
        const record = recordOf(run);
        const older = [last.writer, last.sequence - 1, last.resourceVersion + 1];
        for (const watcher of record.watchers) watcher.events.push(...older);
        expect(breaches(judgeFleet(record))).toEqual({ overwrittenWrites: 1 });
        expect(judgeFleet(record).overwrittenWrites.example).toBe(
          `write ${last.sequence} of writer ${last.writer} (resource version ${last.resourceVersion}) was followed by ` +
            `write ${last.sequence - 1} of writer ${last.writer} (resource version ${last.resourceVersion + 1})`,
        );
      }),
    );
  });

  test('a watcher without a watch at the end is cut off; what it has not seen yet is not lost', () => {
    fc.assert(
      fc.property(seen, ({ record, watcher, at }) => {
        fc.pre(watcher.lists.every(({ events }) => events <= at));
        watcher.events.splice(at * 3);
        watcher.gaps.push({ heardMs: 5, lostMs: 6, resumedMs: null });
        const ledger = judgeFleet(record);
        expect([breaches(ledger), ledger.cutOff]).toEqual([{}, 1]);
      }),
    );
  });
});
