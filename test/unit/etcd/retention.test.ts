import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Keep, planRetention } from '../../../src/core/etcd/snapshot/retention.ts';

const HOUR_MS = 3_600_000;
const at = (time: string) => ({ name: time, takenAtMs: Date.parse(time), revision: 1 });
const keep = (some: Partial<Keep>): Keep => ({ last: 0, hourly: 0, daily: 0, weekly: 0, ...some });
const names = (times: readonly string[], rules: Partial<Keep>) =>
  planRetention(times.map(at), keep(rules)).kept.map(({ snapshot }) => snapshot.name);

test('of each hour, day and week the newest stays, and only periods that have one count', () => {
  const times = ['2026-11-22T10:59:59Z', '2026-11-22T10:00:00Z', '2026-11-22T09:30:00Z', '2026-11-20T23:59:00Z', '2026-11-20T08:00:00Z'];
  expect(names(times, { hourly: 3 })).toEqual([times[0], times[2], times[3]]);
  expect(names(times, { daily: 2 })).toEqual([times[0], times[3]]);
  expect(names(times, { last: 2 })).toEqual([times[0], times[1]]);
});

test('weeks begin on Monday, and belong to the year of their Thursday', () => {
  // 2026-01-01 is a Thursday, so its week is the first of 2026; 2027-01-03 is the Sunday of the last of 2026.
  const weekOf = (time: string) => planRetention([at(time)], keep({ weekly: 1 })).kept[0]?.reasons.at(-1);
  expect(weekOf('2025-12-28T23:59:59Z')).toBe('week 2025-W52');
  expect(weekOf('2025-12-29T00:00:00Z')).toBe('week 2026-W01');
  expect(weekOf('2027-01-03T23:59:59Z')).toBe('week 2026-W53');
  expect(weekOf('2027-01-04T00:00:00Z')).toBe('week 2027-W01');
  expect(weekOf('2026-11-22T08:00:00Z')).toBe('week 2026-W47');
});

test('why one stays is told', () => {
  const { kept } = planRetention([at('2026-11-22T10:00:00Z'), at('2026-11-22T09:00:00Z')], keep({ last: 1, hourly: 2, daily: 1 }));
  expect(kept.map(({ reasons }) => reasons)).toEqual([
    ['newest', 'last 1 of 1', 'hour 2026-11-22 10:00', 'day 2026-11-22'],
    ['hour 2026-11-22 09:00'],
  ]);
});

test('without any rule everything stays', () => {
  expect(names(['2026-11-22T10:00:00Z', '2020-01-01T00:00:00Z'], {})).toHaveLength(2);
});

const counts = fc.record({ last: fc.nat(5), hourly: fc.nat(5), daily: fc.nat(5), weekly: fc.nat(5) });
/** Some in the same second. */
const snapshots = fc
  .array(fc.record({ hours: fc.integer({ min: 0, max: 2000 }), revision: fc.nat(3) }), { maxLength: 60 })
  .map((list) =>
    list.map(({ hours, revision }, i) => ({ name: `${i}`, takenAtMs: Date.UTC(2026, 9, 1) + hours * HOUR_MS * 0.37, revision })),
  );

test('nothing is lost or made up, the newest stays, and no more stay than the rules ask for', () => {
  fc.assert(
    fc.property(snapshots, counts, (list, rules) => {
      const { kept, removed } = planRetention(list, rules);
      const all = [...kept.map(({ snapshot }) => snapshot), ...removed];
      expect(all.toSorted((a, b) => Number(a.name) - Number(b.name))).toEqual(list);
      if (list.length > 0) expect(kept[0]?.snapshot.takenAtMs).toBe(Math.max(...list.map(({ takenAtMs }) => takenAtMs)));
      const { last, hourly, daily, weekly } = rules;
      const limit = last + hourly + daily + weekly;
      if (limit > 0) expect(kept.length).toBeLessThanOrEqual(Math.max(1, limit));
      else expect(removed).toEqual([]);
      expect(kept.length).toBeGreaterThanOrEqual(Math.min(list.length, Math.max(1, last)));
    }),
  );
});

test('pruning again removes nothing more, and more generous rules never remove what stricter ones keep', () => {
  fc.assert(
    fc.property(snapshots, counts, counts, (list, rules, more) => {
      const kept = (from: typeof list, by: Keep) => planRetention(from, by).kept.map(({ snapshot }) => snapshot);
      const once = kept(list, rules);
      expect(kept(once, rules)).toEqual(once);
      if (Object.values(rules).every((count) => count === 0)) return;
      const sum = (key: keyof Keep) => rules[key] + more[key];
      const generous = kept(list, { last: sum('last'), hourly: sum('hourly'), daily: sum('daily'), weekly: sum('weekly') });
      expect(generous).toEqual(expect.arrayContaining(once));
    }),
  );
});

test('pruned after every snapshot or once at the end, the newest of each of the newest days stay', () => {
  fc.assert(
    fc.property(snapshots, fc.integer({ min: 1, max: 5 }), (list, daily) => {
      const rules = keep({ daily });
      const inOrder = list.toSorted((a, b) => a.takenAtMs - b.takenAtMs || a.revision - b.revision || Number(a.name) - Number(b.name));
      const kept = (from: typeof list) => planRetention(from, rules).kept.map(({ snapshot }) => snapshot.takenAtMs);
      let held: typeof list = [];
      for (const one of inOrder) held = planRetention([...held, one], rules).kept.map(({ snapshot }) => snapshot);
      expect(held.map(({ takenAtMs }) => takenAtMs)).toEqual(kept(list));
    }),
  );
});
