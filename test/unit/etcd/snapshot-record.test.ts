import { expect, test } from 'vitest';
import {
  decodeSnapshotRecord,
  encodeSnapshotRecord,
  type SnapshotRecord,
  snapshotDueAtMs,
  snapshotProblem,
} from '../../../src/core/etcd/snapshot/last-save.ts';

const MINUTE_MS = 60_000;
const takenAtMs = Date.parse('2026-11-22T08:00:00Z');
const record: SnapshotRecord = { takenAt: '2026-11-22T08:00:00.000Z', revision: 7, host: 'cp1', place: '/srv/Ä' };

test('a record is read as it was written, and nothing else is', () => {
  expect(decodeSnapshotRecord(encodeSnapshotRecord(record))).toEqual(record);
  for (const wrong of ['', 'x', 'null', '{}', JSON.stringify({ ...record, takenAt: 'soon' }), JSON.stringify({ ...record, revision: 1.5 })])
    expect(decodeSnapshotRecord(Buffer.from(wrong))).toBeUndefined();
});

test('one is due a period after the newest, and at once without one, or with one from the future', () => {
  const at = (minutes: number, known: SnapshotRecord | undefined = record) => {
    const nowMs = takenAtMs + minutes * MINUTE_MS;
    return (snapshotDueAtMs(known, { nowMs, everyMinutes: 60 }) - nowMs) / MINUTE_MS;
  };
  expect([at(0), at(59), at(60), at(90)]).toEqual([60, 1, 0, -30]);
  expect(snapshotDueAtMs(undefined, { nowMs: 5, everyMinutes: 60 })).toBe(5);
  // A clock that was ahead by less than a period costs one period; by more, it would hold up snapshots for as long.
  expect([at(-60), at(-61)]).toEqual([120, 0]);
});

test('the newest is too old after three periods, or after what the description says; without a schedule never', () => {
  const problem = (minutes: number, settings: { everyMinutes?: number; alertAfterMinutes?: number }) =>
    snapshotProblem(record, { nowMs: takenAtMs + minutes * MINUTE_MS, ...settings })?.says;
  expect(problem(180, { everyMinutes: 60 })).toBeUndefined();
  expect(problem(181, { everyMinutes: 60 })).toMatch(
    /^the newest snapshot of etcd is 181 minutes old, more than 180 \(\/srv\/.*, taken on cp1\)/,
  );
  expect(problem(31, { everyMinutes: 60, alertAfterMinutes: 30 })).toContain('31 minutes old');
  expect(problem(31, { alertAfterMinutes: 30 })).toContain('31 minutes old');
  expect(problem(1e6, {})).toBeUndefined();
  expect(snapshotProblem(undefined, { nowMs: 0, everyMinutes: 60 })?.says).toContain('no snapshot');
});
