import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jhash } from '../../../src/core/balancer/jhash.ts';
import { assignSlots, orderOf, slotCount, slotOf } from '../../../src/core/balancer/slots.ts';

const sizes = [1, 2, 3, 4, 5, 6, 7];
const maskWithout = (backends: number, gone: readonly number[]) => gone.reduce((mask, i) => mask & ~(1 << i), 2 ** backends - 1);

function shares(backends: number, mask: number): number[] {
  const counts = Array.from({ length: backends }, () => 0);
  for (const backend of assignSlots(backends, mask)) if (backend !== undefined) counts[backend] = (counts[backend] ?? 0) + 1;
  return counts;
}

/** All ways to choose up to three of the backends. */
function upToThree(backends: number): number[][] {
  const ways: number[][] = [[]];
  for (let i = 0; i < backends; i++) ways.push(...ways.filter((way) => way.length < 3).map((way) => [...way, i]));
  return ways;
}

describe('slots', () => {
  test.each(sizes)('of %i backends: each order of the first four is there once', (backends) => {
    const orders = Array.from({ length: slotCount(backends) }, (_, slot) => orderOf(slot, backends));
    for (const order of orders) expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: backends }, (_, i) => i));
    expect(new Set(orders.map((order) => order.slice(0, 4).join())).size).toBe(orders.length);
  });

  test.each(sizes)('of %i backends: equal shares, whichever up to three are gone', (backends) => {
    for (const gone of upToThree(backends)) {
      if (gone.length >= backends) continue;
      const living = shares(backends, maskWithout(backends, gone)).filter((_, i) => !gone.includes(i));
      expect(new Set(living).size).toBe(1);
    }
  });

  test('a backend that goes or comes changes nothing between the others', () => {
    const mask = fc.integer({ min: 1, max: 127 });
    fc.assert(
      fc.property(mask, fc.integer({ min: 0, max: 6 }), (before, changed) => {
        const after = before ^ (1 << changed);
        const old = assignSlots(7, before);
        assignSlots(7, after).forEach((backend, slot) => {
          if (backend !== old[slot]) expect([backend, old[slot]]).toContain(changed);
        });
      }),
    );
  });

  test('nobody is chosen of none', () => {
    expect(new Set(assignSlots(3, 0))).toEqual(new Set([undefined]));
  });

  test('clients spread over the slots: no backend of 7 is more than 5 % off its share of 100,000 connections', () => {
    const assigned = assignSlots(7, 127);
    const counts = Array.from({ length: 7 }, () => 0);
    for (let i = 0; i < 100_000; i++) {
      const flow = { address: `10.${i % 7}.${(i >> 4) % 250}.${1 + (i % 200)}`, port: 20_000 + (i % 40_000) };
      const backend = assigned[slotOf(flow, 7)] as number;
      counts[backend] = (counts[backend] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count / (100_000 / 7) - 1)).toBeLessThan(0.05);
  });
});

/** Values of Bob Jenkins' lookup3.c, function driver5, whose start value the kernel's jhash shares: hashlittle("", 0, seed) and 30 letters. */
test('the hash is lookup3', () => {
  const text = new TextEncoder().encode('Four score and seven years ago');
  expect(jhash(new Uint8Array(0), 0)).toBe(0xdead_beef);
  expect(jhash(text, 0)).toBe(0x1777_0551);
  expect(jhash(text, 1)).toBe(0xcd62_8161);
});
