import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DRIFT_BOUND } from '../../../src/core/lease/timing.ts';
import { holds } from '../../../src/core/vrrp/router.ts';
import { activeDownIntervalMs, holdMs } from '../../../src/core/vrrp/timing.ts';
import { active, backup, words } from './story.ts';

const HOLD_MS = holdMs(1000);
const untilOf = (story: { state: { holdUntil: number } }) => story.state.holdUntil;

test('the lease ends before a backup that received the advertisement takes over, with both clocks off by the bound', () => {
  const priorities = fc.integer({ min: 1, max: 255 });
  const versions = fc.constantFrom<(2 | 3)[]>(2, 3);
  fc.assert(
    fc.property(priorities, versions, fc.integer({ min: 1, max: 4095 }), (priority, version, units) => {
      const intervalMs = units * (version === 2 ? 1000 : 10);
      const slowest = holdMs(intervalMs) / (1 - DRIFT_BOUND);
      const fastest = activeDownIntervalMs({ version, priority, activeAdverIntervalMs: intervalMs }) / (1 + DRIFT_BOUND);
      expect(slowest).toBeLessThan(fastest);
    }),
  );
});

describe('an Active', () => {
  test('holds from the moment at which it began to send, not from when it was told that it is sent', () => {
    const story = active();
    const began = story.now;
    expect(untilOf(story)).toBe(began + HOLD_MS);
    expect(HOLD_MS).toBeLessThan(3000);
    story.until(began + 1000);
    story.at(began + 1500).tell({ kind: 'sent', at: began + 1400, ok: true, reason: undefined });
    expect(untilOf(story)).toBe(began + 1400 + HOLD_MS);
  });

  test('that woke after its lease listens first, although it is the higher', () => {
    const story = active();
    const end = untilOf(story);
    expect(holds(story.state, end)).toBe(false);
    expect(words(story.at(end).tell({ kind: 'tick' }))).toEqual(['withdraw', 'lost late', 'became-backup']);
    expect(story.wakeAt).toBe(end + activeDownIntervalMs({ version: 3, priority: 100, activeAdverIntervalMs: 1000 }));
  });

  test('that woke just before goes on', () => {
    const story = active();
    expect(words(story.at(untilOf(story) - 0.001).tell({ kind: 'tick' }))).toEqual(['send 100', 'announce', 'hold']);
  });

  test('that woke after its lease by an advertisement does not answer it as Active', () => {
    const story = active();
    expect(words(story.at(untilOf(story)).hear(99))).toEqual(['withdraw', 'lost late', 'became-backup', 'declined lower-priority']);
  });

  test('that owns the addresses starts again', () => {
    const story = active({}, 255);
    expect(words(story.at(untilOf(story)).tell({ kind: 'tick' }))).toEqual([
      'withdraw',
      'lost late',
      'send 255',
      'hold',
      'announce',
      'became-active priority',
    ]);
  });

  test('whose advertisements do not go out lets its lease end', () => {
    const story = active();
    const end = untilOf(story);
    story.unsent = true;
    const outputs = story.until(end);
    expect(words(outputs).filter((word) => !/^send|announce/.test(word))).toEqual([
      'warned send-failed',
      'withdraw',
      'lost not-sent',
      'became-backup',
    ]);
  });

  test('that becomes one only by words never holds', () => {
    const story = backup();
    story.unsent = true;
    expect(words(story.until(4000))).toEqual(['send 100', 'warned send-failed']);
    expect(story.state.phase).toBe('backup');
    story.unsent = false;
    expect(words(story.until(8000))).toContain('became-active no-response');
  });

  test('whose sending took longer than the lease does not hold', () => {
    const story = active();
    const at = story.now + 1000;
    story.at(at + HOLD_MS).tell({ kind: 'sent', at, ok: true, reason: undefined });
    expect(holds(story.state, story.now)).toBe(false);
  });

  test('whose kernel refuses resigns, and leaves it to others for 10 s', () => {
    const story = active();
    expect(words(story.tell({ kind: 'hold-failed', reason: 'EPERM' }))).toEqual(['withdraw', 'lost hold-failed', 'send 0']);
    expect(story.wakeAt).toBe(story.now + 10_000);
    expect(words(story.wake())).toEqual(['became-backup']);
  });
});

describe('a backup that slept', () => {
  test('reads what came before it believes that its timer is over', () => {
    const story = backup();
    story.at(3609.375 + 500);
    expect(words(story.tell({ kind: 'tick' }))).toEqual([]);
    expect(words(story.hear(200))).toEqual([]);
    expect(words(story.until(story.now + 3609))).toEqual([]);
  });

  test('longer than an interval listens anew, in the last look too', () => {
    const story = backup();
    expect(words(story.at(3609.375 + 1001).tell({ kind: 'tick' }))).toEqual([]);
    expect(story.wakeAt).toBe(story.now + 3609.375);
    story.wake();
    expect(words(story.at(story.now + 1001).tell({ kind: 'tick' }))).toEqual([]);
    expect(story.wakeAt).toBe(story.now + 3609.375);
  });
});
