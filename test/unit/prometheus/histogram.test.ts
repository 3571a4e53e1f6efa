import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { histogramQuantile, type Buckets } from '../../../src/core/prometheus/histogram.ts';

const INF = Number.POSITIVE_INFINITY;

test('by hand: 100 requests, 80 below 0.1, 15 more below 0.2, 5 more below 0.4', () => {
  const buckets: Buckets = [
    [0.1, 80],
    [0.2, 95],
    [0.4, 100],
    [INF, 100],
  ];
  // Rank 99 is the 4th of 5 between 0.2 and 0.4.
  expect(histogramQuantile(buckets, 0.99)).toEqual({ value: expect.closeTo(0.36, 12), lower: 0.2, upper: 0.4 });
  // Rank 50 of 80, from 0.
  expect(histogramQuantile(buckets, 0.5)).toEqual({ value: expect.closeTo(0.0625, 12), lower: 0, upper: 0.1 });
  // Rank 95 is the last of its bucket, exactly its bound.
  expect(histogramQuantile(buckets, 0.95)).toEqual({ value: expect.closeTo(0.2, 12), lower: 0.1, upper: 0.2 });
});

test('above the last bound it is at least that, and nobody knows more', () => {
  expect(
    histogramQuantile(
      [
        [1, 10],
        [60, 98],
        [INF, 100],
      ],
      0.99,
    ),
  ).toEqual({ value: 60, lower: 60, upper: INF });
});

test('empty buckets between do not draw it down', () => {
  expect(
    histogramQuantile(
      [
        [INF, 10],
        [2, 0],
        [4, 10],
        [1, 0],
      ],
      0.5,
    ),
  ).toEqual({ value: 3, lower: 2, upper: 4 });
});

test('a bucket that was read before a smaller one, and lags behind it, counts as many', () => {
  const buckets: Buckets = [
    [1, 50],
    [2, 49],
    [4, 100],
    [INF, 100],
  ];
  expect(histogramQuantile(buckets, 0.99)?.value).toBeCloseTo(3.96, 12);
});

test('nothing is said of nothing, without +Inf, and of +Inf alone', () => {
  expect(histogramQuantile([], 0.99)).toBeUndefined();
  expect(
    histogramQuantile(
      [
        [1, 0],
        [INF, 0],
      ],
      0.99,
    ),
  ).toBeUndefined();
  expect(
    histogramQuantile(
      [
        [1, 5],
        [2, 5],
      ],
      0.99,
    ),
  ).toBeUndefined();
  expect(histogramQuantile([[INF, 5]], 0.99)).toBeUndefined();
});

const bounds = fc
  .uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 12 })
  .map((all) => [...all.toSorted((a, b) => a - b), INF]);

test('for any observations: the bucket holds the true quantile, and the value is in the bucket', () => {
  fc.assert(
    fc.property(
      bounds,
      fc.array(fc.double({ min: 0, max: 2000, noNaN: true }), { minLength: 1 }),
      fc.constantFrom(0.5, 0.9, 0.99),
      (les, seen, q) => {
        const buckets = les.map((le) => [le, seen.filter((value) => value <= le).length] as const);
        const found = histogramQuantile(buckets, q);
        const truth = seen.toSorted((a, b) => a - b)[Math.ceil(q * seen.length) - 1] as number;
        expect(found).toBeDefined();
        const { value, lower, upper } = found as NonNullable<typeof found>;
        expect(truth).toBeLessThanOrEqual(upper);
        // 0 itself lies in the first bucket, which begins there.
        expect(truth > lower || lower === 0).toBe(true);
        expect(value).toBeGreaterThanOrEqual(lower);
        expect(value).toBeLessThanOrEqual(upper);
      },
    ),
  );
});

test('for any counts, also such as no server sends, the value is in its bucket', () => {
  const counts = fc.array(fc.tuple(fc.double({ noNaN: true, min: -1e3, max: 1e3 }), fc.nat(1000)), { maxLength: 12 });
  fc.assert(
    fc.property(counts, fc.nat(1000), (finite, total) => {
      const found = histogramQuantile([...finite, [INF, total]], 0.99);
      if (found === undefined) return;
      expect(found.value).toBeGreaterThanOrEqual(found.lower);
      expect(found.value).toBeLessThanOrEqual(found.upper);
    }),
  );
});
