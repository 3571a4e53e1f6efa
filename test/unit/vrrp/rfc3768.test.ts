import { expect, test } from 'vitest';
import { active, backup, words } from './story.ts';

const version2 = { version: 2, advertiseIntervalMs: 2000 } as const;

test('section 6.1: Skew_Time counts in seconds whatever the interval', () => {
  expect(backup(version2, 128).wakeAt).toBe(3 * 2000 + 500);
  const resigned = backup(version2, 128);
  resigned.at(100).hear(0);
  expect(resigned.wakeAt).toBe(600);
});

test('section 7.1: another interval is discarded and warned of, in every state', () => {
  const heard = { message: { maxAdvertiseIntervalMs: 1000 } };
  const story = backup(version2, 128);
  expect(story.hear(200, heard)).toEqual([
    { kind: 'warned', warning: { kind: 'interval-differs', from: '10.0.0.12', theirsMs: 1000, oursMs: 2000 } },
    { kind: 'declined', reason: 'other-interval', link: 0, from: '10.0.0.12' },
  ]);
  expect(story.wakeAt).toBe(6500);
  const holder = active(version2);
  expect(words(holder.hear(200, heard))).toEqual(['warned interval-differs', 'declined other-interval']);
  expect(holder.state.phase).toBe('active');
});

test('section 6.4.3: a Master yields to a higher priority', () => {
  expect(words(active(version2).hear(200))).toEqual(['withdraw', 'lost preempted', 'became-backup']);
});
