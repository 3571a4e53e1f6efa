import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createMetrics } from '../../../src/agent/metrics.ts';
import { SnapshotSchedule, type SnapshotTurn } from '../../../src/agent/snapshots.ts';
import type { Clock } from '../../../src/ports/clock.ts';

const MINUTE_MS = 60_000;

/** A schedule on a clock that only `pass` moves, whose snapshots end when the test says so. */
function schedule() {
  let nowMs = 0;
  const timers = new Set<{ time: number; callback: () => void }>();
  const clock: Clock = {
    now: () => nowMs,
    at(time, callback) {
      const timer = { time, callback };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
  };
  const under: { signal: AbortSignal; end: (turn: SnapshotTurn) => void; fail: (error: Error) => void }[] = [];
  const take = (signal: AbortSignal) =>
    new Promise<SnapshotTurn>((resolve, reject) => {
      under.push({ signal, end: resolve, fail: reject });
    });
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  return {
    turns: new SnapshotSchedule({ clock, log, metrics: createMetrics(), take }),
    under,
    async pass(ms: number) {
      nowMs += ms;
      const due = [...timers].filter(({ time }) => time <= nowMs);
      for (const timer of due) {
        timers.delete(timer);
        timer.callback();
      }
      await setImmediate();
    },
  };
}

const savedForAnHour = (): SnapshotTurn => ({ saved: true, newestAtMs: Date.now(), dueAtMs: Date.now() + 60 * MINUTE_MS });

test('only a holder takes any, and only while it is one', async () => {
  const { turns, under, pass } = schedule();
  turns.setHolding(false);
  await pass(60 * MINUTE_MS);
  expect(under).toHaveLength(0);
  turns.setHolding(true);
  turns.setHolding(false);
  await pass(60 * MINUTE_MS);
  expect(under).toHaveLength(0);
  turns.setHolding(true);
  await pass(MINUTE_MS);
  expect(under).toHaveLength(1);
  // It is finished, and is the last.
  turns.setHolding(false);
  expect(under[0]?.signal.aborted).toBe(false);
  under[0]?.end(savedForAnHour());
  await setImmediate();
  await pass(600 * MINUTE_MS);
  expect(under).toHaveLength(1);
});

test('the next comes when it is due, never two at a time, and soon after one that failed', async () => {
  const { turns, under, pass } = schedule();
  turns.setHolding(true);
  await pass(MINUTE_MS);
  await pass(600 * MINUTE_MS);
  turns.setHolding(false);
  turns.setHolding(true);
  await pass(600 * MINUTE_MS);
  expect(under).toHaveLength(1);
  under[0]?.end(savedForAnHour());
  await setImmediate();
  await pass(59 * MINUTE_MS);
  expect(under).toHaveLength(1);
  await pass(MINUTE_MS);
  expect(under).toHaveLength(2);
  under[1]?.fail(new Error('no space'));
  await setImmediate();
  await pass(MINUTE_MS);
  expect(under).toHaveLength(3);
  turns.stop();
  expect(under[2]?.signal.aborted).toBe(true);
});
