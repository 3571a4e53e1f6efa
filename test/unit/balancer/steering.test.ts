import { describe, expect, test } from 'vitest';
import type { BackendState } from '../../../src/core/balancer/health.ts';
import { adopt, createSteering, SETTLE_MS, steer, wantedBackends } from '../../../src/core/balancer/steering.ts';

const statesOf = (text: string): BackendState[] =>
  [...text].map((letter) => ({ r: 'ready', d: 'draining', u: 'unknown', x: 'dead' })[letter] as BackendState);
const states = (text: string, serving = 7) => ({ states: statesOf(text), serving });
const settled = { opening: 7, established: 7, settleAt: Number.POSITIVE_INFINITY };

describe('steering', () => {
  test('begins with what is there', () => {
    expect(steer(createSteering(), states('rrr'), 0)).toEqual(settled);
  });

  test.each([
    ['rrr', 0b111],
    ['rdx', 0b001],
    ['ddx', 0b011],
    ['uxu', 0b101],
    ['xxx', 0],
  ])('new connections of %s go to the best there are', (text, mask) => {
    expect(wantedBackends(statesOf(text))).toBe(mask);
  });

  test('a backend that dies leaves at once, for all packets', () => {
    expect(steer(settled, states('rrx'), 10)).toEqual({ opening: 3, established: 3, settleAt: Number.POSITIVE_INFINITY });
  });

  test('one that returns gets new connections first, and the rest when the others are known as exceptions', () => {
    const without = steer(settled, states('rrx'), 0);
    const returning = steer(without, states('rrr'), 100);
    expect(returning).toEqual({ opening: 7, established: 3, settleAt: 100 + SETTLE_MS });
    expect(steer(returning, states('rrr'), 99 + SETTLE_MS)).toEqual(returning);
    expect(steer(returning, states('rrr'), 100 + SETTLE_MS)).toEqual(settled);
  });

  test('one that drains gets no new connections, and keeps its own', () => {
    const draining = steer(settled, states('rrd'), 0);
    expect(draining).toEqual({ opening: 3, established: 7, settleAt: SETTLE_MS });
    expect(steer(draining, states('rrd'), SETTLE_MS)).toEqual({ opening: 3, established: 3, settleAt: Number.POSITIVE_INFINITY });
  });

  test('a second change waits for the first, a death does not', () => {
    const returning = steer({ opening: 1, established: 1, settleAt: Number.POSITIVE_INFINITY }, states('rrx'), 0);
    expect(steer(returning, states('rrr'), 10)).toEqual(returning);
    expect(steer(returning, states('xrr'), 10)).toEqual({ opening: 6, established: 6, settleAt: Number.POSITIVE_INFINITY });
    const first = steer(returning, states('rrr'), SETTLE_MS);
    expect(first).toEqual({ opening: 3, established: 3, settleAt: Number.POSITIVE_INFINITY });
    expect(steer(first, states('rrr'), SETTLE_MS)).toEqual({ opening: 7, established: 3, settleAt: 2 * SETTLE_MS });
  });

  test('when etcd has no leader and all drain one after the other, all serve', () => {
    const first = steer(settled, states('drr'), 0);
    const settling = steer(first, states('ddd'), SETTLE_MS);
    expect(steer(settling, states('ddd'), SETTLE_MS)).toEqual({ opening: 7, established: 6, settleAt: 2 * SETTLE_MS });
  });

  test('a host that does not say that it serves gets no new connections, and keeps those it has', () => {
    expect(steer(settled, states('rrr', 3), 0)).toEqual({ opening: 3, established: 7, settleAt: SETTLE_MS });
    expect(steer(settled, states('ddd', 3), 0).opening).toBe(3);
  });

  test('the next holder goes on where the last one was', () => {
    expect(adopt({ opening: 7, established: 3 }, 50)).toEqual({ opening: 7, established: 3, settleAt: 50 + SETTLE_MS });
    expect(adopt({ opening: 3, established: 3 }, 50).settleAt).toBe(Number.POSITIVE_INFINITY);
  });
});
