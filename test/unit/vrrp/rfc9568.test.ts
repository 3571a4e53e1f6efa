import { describe, expect, test } from 'vitest';
import { activeDownIntervalMs, skewTimeMs } from '../../../src/core/vrrp/timing.ts';
import { active, backup, Story, words } from './story.ts';

/** 3 × 1000 ms and a skew of 156/256 of one, for priority 100. */
const DOWN_MS = 3609.375;
/** It reads once more before it believes in silence. */
const LOOK_MS = 1;
const rises = ['send 100', 'hold', 'announce', 'became-active no-response'];

describe('section 6.1: the timers', () => {
  test('Skew_Time is (256 - priority) × Active_Adver_Interval / 256, Active_Down_Interval three intervals more', () => {
    const facts = { version: 3, priority: 100, activeAdverIntervalMs: 1000 } as const;
    expect(skewTimeMs(facts)).toBe(609.375);
    expect(activeDownIntervalMs(facts)).toBe(DOWN_MS);
    expect(skewTimeMs({ ...facts, priority: 255, activeAdverIntervalMs: 10 })).toBeCloseTo(0.039, 3);
  });
});

describe('section 6.4.1: initialize', () => {
  test('waits for a priority over 0, then becomes a backup that waits one Active_Down_Interval', () => {
    const story = new Story();
    expect(story.wakeAt).toBe(Number.POSITIVE_INFINITY);
    expect(words(story.setPriority(100))).toEqual(['became-backup']);
    expect(story.state.phase).toBe('backup');
    expect(story.wakeAt).toBe(DOWN_MS);
  });

  test('with priority 255, the owner, it is Active at once', () => {
    expect(words(new Story().setPriority(255))).toEqual(['send 255', 'hold', 'announce', 'became-active priority']);
    expect(words(backup().setPriority(255))).toEqual(['send 255', 'hold', 'announce', 'became-active priority']);
  });

  test('says and counts nothing during the start-up delay, the owner too', () => {
    const story = new Story({ startupDelayMs: 5000 });
    expect(words(story.setPriority(255))).toEqual([]);
    expect(words(story.hear(200))).toEqual(['declined initialize']);
    expect(story.wakeAt).toBe(5000);
    expect(words(story.wake())).toEqual(['send 255', 'hold', 'announce', 'became-active priority']);
  });
});

describe('section 6.4.2: backup', () => {
  test('silence for an Active_Down_Interval makes it Active: advertisement first, then the address', () => {
    const story = backup();
    expect(words(story.until(DOWN_MS))).toEqual([]);
    expect(words(story.wake())).toEqual(rises);
    expect(story.now).toBe(DOWN_MS + LOOK_MS);
  });

  test('priority 0: it waits no more than Skew_Time', () => {
    const story = backup();
    story.at(500).hear(0);
    expect(words(story.until(500 + 609.375 + LOOK_MS))).toEqual(['send 100', 'hold', 'announce', 'became-active resigned']);
  });

  test('an equal or higher priority starts the timer again, and its interval is learned', () => {
    for (const priority of [100, 101, 255]) {
      const story = backup();
      expect(words(story.at(3000).hear(priority))).toEqual([]);
      expect(story.wakeAt).toBe(3000 + DOWN_MS);
    }
    const story = backup();
    story.at(100).hear(200, { message: { maxAdvertiseIntervalMs: 100 } });
    expect(story.wakeAt).toBe(100 + DOWN_MS / 10);
  });

  test('Preempt_Mode true: a lower priority is discarded, and the timer runs out', () => {
    const story = backup();
    expect(words(story.at(3000).hear(99))).toEqual(['declined lower-priority']);
    expect(story.wakeAt).toBe(DOWN_MS);
    expect(words(story.until(DOWN_MS + LOOK_MS))).toEqual(['send 100', 'hold', 'announce', 'became-active preempted']);
  });

  test('Preempt_Mode false: a lower priority is followed', () => {
    const story = backup({ preempt: false });
    expect(words(story.at(3000).hear(1))).toEqual([]);
    expect(story.wakeAt).toBe(3000 + DOWN_MS);
  });

  test('preempt_delay of keepalived: a lower priority is followed that long after it was first heard, anew after a higher one', () => {
    const story = backup({ preemptDelayMs: 5000 });
    const hearAt = (now: number, priority: number) => words(story.at(now).hear(priority));
    expect([hearAt(1000, 99), hearAt(2000, 99), hearAt(5999, 99)]).toEqual([[], [], []]);
    expect(hearAt(6000, 99)).toEqual(['declined lower-priority']);
    expect(hearAt(6500, 100)).toEqual([]);
    expect(hearAt(7000, 99)).toEqual([]);
    expect(hearAt(11_999, 99)).toEqual([]);
    expect(hearAt(12_000, 99)).toEqual(['declined lower-priority']);
    expect(story.wakeAt).toBe(11_999 + DOWN_MS);
  });

  test('an Active under `unfitBelow` is not waited for, with preempt off and in the delay too, by one that is fit', () => {
    for (const config of [{ preempt: false }, { preemptDelayMs: 60_000 }]) {
      const story = backup({ ...config, unfitBelow: 50 });
      expect(words(story.at(1000).hear(49))).toEqual(['declined lower-priority']);
      expect(words(story.at(1100).hear(49))).toEqual(['declined lower-priority']);
      expect(story.wakeAt).toBe(1000 + 609.375);
      expect(words(story.at(1200).hear(50))).toEqual([]);
      expect(story.wakeAt).toBe(1200 + DOWN_MS);
    }
    const unfit = backup({ preempt: false, unfitBelow: 50 }, 40);
    expect(words(unfit.hear(30))).toEqual([]);
  });

  test('a new priority moves the end of the timer', () => {
    const story = backup();
    story.at(1000).setPriority(200);
    expect(story.wakeAt).toBe(3000 + (56 / 256) * 1000);
  });

  test('shutdown: it is silent, for good', () => {
    const story = backup();
    expect(words(story.tell({ kind: 'shutdown' }))).toEqual([]);
    expect(words(story.setPriority(255))).toEqual([]);
    expect(story.wakeAt).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('section 6.4.3: active', () => {
  test('sends an advertisement each interval', () => {
    const story = active();
    const start = story.now;
    const sends = story.until(start + 3000).filter(({ kind }) => kind === 'send');
    expect(sends.map((output) => 'at' in output && output.at - start)).toEqual([1000, 2000, 3000]);
  });

  test('shutdown: an advertisement with priority 0; the addresses go when another is heard as active', () => {
    const story = active();
    expect(words(story.tell({ kind: 'shutdown' }))).toEqual(['send 0']);
    // Another one that resigns takes nothing over.
    expect(words(story.hear(0))).toEqual(['declined initialize']);
    expect(story.at(story.now + 100).hear(50)).toMatchObject([
      { kind: 'withdraw' },
      { kind: 'lost', reason: 'shutdown', by: { from: '10.0.0.12', priority: 50 } },
      { kind: 'declined', reason: 'initialize' },
    ]);
    expect(story.wakeAt).toBe(Number.POSITIVE_INFINITY);
  });

  test('shutdown, and nobody follows: the addresses go when the lease ends', () => {
    const story = active();
    const { holdUntil } = story.state;
    story.tell({ kind: 'shutdown' });
    expect(story.wakeAt).toBe(holdUntil);
    expect(words(story.until(holdUntil))).toEqual(['withdraw', 'lost shutdown']);
    expect(story.wakeAt).toBe(Number.POSITIVE_INFINITY);
  });

  test('a kernel that refuses: the addresses go first, then the advertisement with priority 0', () => {
    const story = active();
    expect(words(story.tell({ kind: 'hold-failed', reason: 'EPERM' }))).toEqual(['withdraw', 'lost hold-failed', 'send 0']);
  });

  test('priority 0 of another: it advertises at once, and starts the Adver_Timer again', () => {
    const story = active();
    expect(words(story.at(story.now + 300).hear(0))).toEqual(['send 100', 'hold']);
    expect(story.state.advertiseAt).toBe(story.now + 1000);
  });

  test('a higher priority, or an equal one from a greater address, makes it a backup with the interval of the other', () => {
    const higher = active();
    expect(higher.hear(101, { message: { maxAdvertiseIntervalMs: 100 } })).toMatchObject([
      { kind: 'warned', warning: { kind: 'interval-differs' } },
      { kind: 'withdraw' },
      { kind: 'lost', reason: 'preempted', by: { from: '10.0.0.12', priority: 101 } },
      { kind: 'became-backup' },
    ]);
    expect(higher.wakeAt).toBe(higher.now + DOWN_MS / 10);
    expect(words(active().hear(100, { from: '10.0.0.12' }))).toEqual(['withdraw', 'lost preempted', 'became-backup']);
    // 9 < 11, though not as text.
    expect(words(active().hear(100, { from: '10.0.0.9' }))).toContain('declined lower-priority');
  });

  test('a lower priority is answered with an advertisement, and neighbours are told again, once a second at most', () => {
    const story = active();
    story.until(story.now + 10_000);
    const answer = ['declined lower-priority', 'warned several-active', 'send 100', 'announce', 'hold'];
    expect(words(story.hear(99))).toEqual(answer);
    expect(words(story.at(story.now + 600).hear(99))).toEqual(['declined lower-priority', 'send 100', 'hold']);
    expect(words(story.at(story.now + 500).hear(99))).toEqual(['declined lower-priority', 'send 100', 'announce', 'hold']);
  });

  test('two that both believe to be the greater do not answer each other without end: twice an interval at most', () => {
    const story = active();
    const answered = (now: number) => words(story.at(now).hear(99)).includes('send 100');
    const { now } = story;
    expect([0, 1, 499, 500, 501, 1000].map((afterMs) => answered(now + afterMs))).toEqual([true, false, false, true, false, true]);
  });

  test('neighbours are told again after 1 s and 5 s', () => {
    const story = active();
    const start = story.now;
    const told: number[] = [];
    while (story.wakeAt <= start + 20_000) if (story.wake().some(({ kind }) => kind === 'announce')) told.push(story.now - start);
    expect(told).toEqual([1000, 5000]);
  });

  test('priority 0 of its own: it resigns, and a priority over 0 lets it begin anew', () => {
    const story = active();
    expect(words(story.setPriority(0))).toEqual(['send 0']);
    expect(words(story.setPriority(100))).toEqual(['withdraw', 'lost unfit', 'became-backup']);
    expect(story.wakeAt).toBe(story.now + DOWN_MS);
  });

  test('a new priority stands in the next advertisement', () => {
    const story = active();
    expect(words(story.setPriority(30))).toEqual([]);
    expect(words(story.wake())).toContain('send 30');
  });
});

describe('two links, one state', () => {
  const dual = {
    links: [
      { family: 'IPv4', source: '10.0.0.11', addresses: ['10.0.0.100'] },
      { family: 'IPv6', source: 'fe80::11', addresses: ['fd00::100'] },
    ],
  } as const;

  test('what is heard on either link counts', () => {
    const story = backup(dual);
    story.at(3000).hear(200, { link: 1 });
    expect(story.wakeAt).toBe(3000 + DOWN_MS);
    expect(words(active(dual).hear(101, { link: 1 }))).toEqual(['withdraw', 'lost preempted', 'became-backup']);
  });

  test('equal priorities: the first link decides as long as the other is heard there, or both hosts could yield', () => {
    const story = active(dual);
    const later = { link: 1, from: 'fe80::12' };
    expect(words(story.hear(100, { from: '10.0.0.9' }))).toContain('send 100');
    expect(words(story.hear(100, later))).toContain('declined lower-priority');
    story.until(story.now + 3001);
    expect(words(story.hear(100, later))).toEqual(['withdraw', 'lost preempted', 'became-backup']);
  });
});
