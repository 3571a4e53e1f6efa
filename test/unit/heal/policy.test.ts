import { describe, expect, test } from 'vitest';
import { countOf, isFor, isHarmful, isOpen, rulesOf } from '../../../src/core/heal/policy.ts';
import { HEAL_STEPS, WEEKDAYS } from '../../../src/core/cluster/heal.ts';
import { DEADLOCK, node, policy } from './facts.ts';

/** 2026-01-05 is a Monday. */
const at = (day: number, clock: string) => Date.parse(`2026-01-${String(day).padStart(2, '0')}T${clock}:00Z`);

describe('windows', () => {
  const night = [{ days: ['fri' as const], from: '22:00', to: '04:00' }];

  test('over midnight: it is the day on which it begins that counts', () => {
    expect(isOpen(night, at(9, '21:59'))).toBe(false);
    expect(isOpen(night, at(9, '22:00'))).toBe(true);
    expect(isOpen(night, at(10, '03:59'))).toBe(true);
    expect(isOpen(night, at(10, '04:00'))).toBe(false);
    // The early hours of Friday belong to Thursday's night.
    expect(isOpen(night, at(9, '03:00'))).toBe(false);
    expect(isOpen(night, at(10, '23:00'))).toBe(false);
  });

  test('from Sunday into Monday', () => {
    const sunday = [{ days: ['sun' as const], from: '23:00', to: '01:00' }];
    expect([at(11, '23:30'), at(12, '00:30'), at(5, '00:30'), at(12, '23:30')].map((time) => isOpen(sunday, time))).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  test('from and to alike are a whole day, and no window is always', () => {
    const whole = [{ days: ['mon' as const], from: '08:00', to: '08:00' }];
    expect([at(5, '07:59'), at(5, '08:00'), at(6, '07:59'), at(6, '08:00')].map((time) => isOpen(whole, time))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(isOpen([], 0)).toBe(true);
  });

  test.each(WEEKDAYS.map((day, i) => [day, 5 + i] as const))('%s is that day of UTC', (day, date) => {
    const open = [4, 5, 6, 7, 8, 9, 10, 11].filter((one) => isOpen([{ days: [day], from: '00:00', to: '23:59' }], at(one, '12:00')));
    expect(open).toContain(date);
    expect(open.every((one) => (one - date) % 7 === 0)).toBe(true);
  });
});

test('percentages are rounded down, and at least one', () => {
  expect([countOf('10%', 300), countOf('10%', 39), countOf('10%', 9), countOf('100%', 0), countOf(3, 1000), countOf('100%', 7)]).toEqual([
    30, 3, 1, 1, 3, 7,
  ]);
});

test('every step but those that bring back is harmful', () => {
  expect(HEAL_STEPS.filter((step) => !isHarmful(step))).toEqual(['power-on']);
});

test('a rule is for the nodes with all of its labels', () => {
  const labelled = node('n1', { labels: { role: 'worker', disk: '' } });
  const rule = (...labels: { name: string; value?: string }[]) => ({ ...DEADLOCK, labels });
  expect(isFor(rule(), labelled)).toBe(true);
  expect(isFor(rule({ name: 'role' }, { name: 'disk', value: '' }), labelled)).toBe(true);
  expect(isFor(rule({ name: 'role', value: 'infra' }), labelled)).toBe(false);
  expect(isFor(rule({ name: 'gpu' }), labelled)).toBe(false);
  expect(isFor(rule({ name: 'gpu', value: '' }), labelled)).toBe(false);
});

test('without rules those that the page describes, which fence where something switches power', () => {
  expect(rulesOf(policy(), { hasPower: true }).map(({ steps }) => steps)).toEqual([
    ['cordon', 'power-off', 'out-of-service', 'power-on'],
    ['cordon', 'drain', 'power-off', 'out-of-service', 'power-on'],
  ]);
  expect(rulesOf(policy(), { hasPower: false }).map(({ steps }) => steps)).toEqual([
    ['cordon', 'drain'],
    ['cordon', 'drain'],
  ]);
  expect(rulesOf(policy({ rules: [DEADLOCK] }), { hasPower: true })).toEqual([DEADLOCK]);
});
