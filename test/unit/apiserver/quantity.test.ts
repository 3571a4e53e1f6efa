import { expect, test } from 'vitest';
import { readQuantity } from '../../../src/core/apiserver/quantity.ts';

test.each([
  ['1', 1],
  ['0.5', 0.5],
  ['.5', 0.5],
  ['5.', 5],
  ['-1', -1],
  ['+3k', 3000],
  ['1.1k', 1100],
  ['64Mi', 67_108_864],
  ['1Ei', 2 ** 60],
  ['2E', 2e18],
  ['2E3', 2000],
  ['1e-3', 0.001],
  ['12345u', 0.012345],
  [7, 7],
])('%s is %d', (text, value) => {
  expect(readQuantity(text)).toBe(value);
});

test('in thousandths, as processors are counted', () => {
  expect([readQuantity('100m', 1000), readQuantity('2', 1000), readQuantity('1k', 1000)]).toEqual([100, 2000, 1_000_000]);
});

test.each(['', 'm', '1 Gi', '1ki', '1K', '0x10', '1e', '1e9999', '1e999', '--1', '1.2.3', 'Infinity', null, undefined, {}, Number.NaN])(
  '%s is none',
  (text) => {
    expect(readQuantity(text)).toBeUndefined();
  },
);
