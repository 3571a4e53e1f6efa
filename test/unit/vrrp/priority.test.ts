import { expect, test } from 'vitest';
import { goodPriority, poorPriority, UNFIT_BELOW } from '../../../src/core/vrrp/priority.ts';

test('each host has a priority of its own, falling in their order, and those that reach no API server are under all others', () => {
  for (let first = 20; first <= 254; first++) {
    for (let hosts = 1; hosts <= 7; hosts++) {
      const good = Array.from({ length: hosts }, (_, index) => goodPriority({ first, index, hosts }));
      const poor = Array.from({ length: hosts }, (_, index) => poorPriority({ index }));
      const all = [...good, ...poor];
      expect(good[0]).toBe(first);
      expect(all).toEqual([...new Set(all)].toSorted((a, b) => b - a));
      expect(Math.min(...good)).toBeGreaterThanOrEqual(UNFIT_BELOW);
      expect([Math.max(...poor) < UNFIT_BELOW, Math.min(...poor) >= 1]).toEqual([true, true]);
    }
  }
});

test('where there is room, hosts are 25 apart', () => {
  expect([0, 1, 2].map((index) => goodPriority({ first: 240, index, hosts: 3 }))).toEqual([240, 215, 190]);
});
