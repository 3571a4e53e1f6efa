import { describe, expect, test } from 'vitest';
import { BudgetLedger, desiredOf, type WatchedBudget, type WatchedPod } from '../../../src/core/drill/budgets.ts';

const pod = (name: string, rest: Partial<WatchedPod> = {}): WatchedPod => ({
  namespace: 'shop',
  name,
  uid: `uid-of-${name}`,
  node: 'node-1',
  labels: { app: 'web' },
  isReady: true,
  isDeleted: false,
  disruption: null,
  ...rest,
});
const budget = (rest: Partial<WatchedBudget> = {}): WatchedBudget => ({
  namespace: 'shop',
  name: 'web',
  selector: { matchLabels: { app: 'web' }, matchExpressions: [] },
  minAvailable: null,
  maxUnavailable: 1,
  expectedPods: 3,
  ...rest,
});
const evicted = (name: string) => pod(name, { isDeleted: true, disruption: 'EvictionByEvictionAPI' });

/** Three ready Pods, of which one may be missing. */
function threeReady(rest: Partial<WatchedBudget> = {}): BudgetLedger {
  const ledger = new BudgetLedger();
  ledger.budgetsReplaced([budget(rest)], 0);
  ledger.podsReplaced([pod('a'), pod('b'), pod('c')], 0);
  return ledger;
}
const only = (ledger: BudgetLedger) => ledger.report().budgets[0];

describe('budgets of Pods', () => {
  test('evictions one after the other, each when the last Pod has been replaced, keep the budget', () => {
    const ledger = threeReady();
    ledger.podChanged(evicted('a'), 10);
    ledger.podChanged(pod('a2', { isReady: false }), 11);
    ledger.podRemoved(evicted('a'), 12);
    ledger.podChanged(pod('a2'), 13);
    ledger.podChanged(evicted('b'), 14);
    expect(ledger.report().violations).toEqual([]);
    expect(only(ledger)).toMatchObject({ healthy: 2, desired: 2, expected: 3, fewest: { healthy: 2, desired: 2, atMs: 10 } });
    expect(only(ledger)?.losses).toEqual({ eviction: 2, deletion: 0, disruption: 0, unready: 0 });
  });

  test('a second eviction before the first Pod was replaced is a violation, with its time and its Pod', () => {
    const ledger = threeReady();
    ledger.podChanged(evicted('a'), 10);
    ledger.podChanged(evicted('b'), 20);
    expect(ledger.report().violations).toEqual([
      { atMs: 20, budget: 'shop/web', pod: 'shop/b', node: 'node-1', cause: 'eviction', isVoluntary: true, healthy: 1, desired: 2 },
    ]);
    expect(only(ledger)?.fewest).toEqual({ healthy: 1, desired: 2, atMs: 20 });
  });

  test.each([
    { what: 'a deletion that asks no budget', lost: pod('b', { isDeleted: true }), cause: 'deletion', isVoluntary: true },
    {
      what: 'a taint of its node',
      lost: pod('b', { isDeleted: true, disruption: 'DeletionByTaintManager' }),
      cause: 'disruption',
      isVoluntary: false,
    },
    { what: 'a Pod that is no longer ready', lost: pod('b', { isReady: false }), cause: 'unready', isVoluntary: false },
  ])('$what is told from an eviction', ({ lost, cause, isVoluntary }) => {
    const ledger = threeReady();
    ledger.podChanged(evicted('a'), 10);
    ledger.podChanged(lost, 20);
    expect(ledger.report().violations).toMatchObject([{ atMs: 20, pod: 'shop/b', cause, isVoluntary, healthy: 1 }]);
  });

  test('a Pod that is gone at once is lost; one that was on its way out is not lost again', () => {
    const ledger = threeReady();
    ledger.podChanged(evicted('a'), 10);
    ledger.podRemoved(evicted('a'), 11);
    ledger.podRemoved(pod('b'), 20);
    expect(ledger.report().violations).toMatchObject([{ atMs: 20, pod: 'shop/b', cause: 'deletion' }]);
    expect(only(ledger)?.losses).toEqual({ eviction: 1, deletion: 1, disruption: 0, unready: 0 });
  });

  test('the end of a Pod that was not ready costs its budget nothing', () => {
    const ledger = threeReady();
    ledger.podChanged(pod('a', { isReady: false }), 10);
    ledger.podChanged(evicted('a'), 20);
    expect(ledger.report().violations).toEqual([]);
    expect(only(ledger)?.losses).toEqual({ eviction: 0, deletion: 0, disruption: 0, unready: 1 });
  });

  test('Pods that come up for the first time are no violation', () => {
    const ledger = new BudgetLedger();
    ledger.budgetChanged(budget({ expectedPods: undefined }), 0);
    for (const name of ['a', 'b', 'c']) ledger.podChanged(pod(name, { isReady: false }), 1);
    ledger.budgetChanged(budget(), 2);
    ledger.podChanged(pod('a'), 3);
    expect(only(ledger)?.fewest).toBeNull();
    ledger.podChanged(pod('b'), 4);
    expect(ledger.report()).toMatchObject({ violations: [], budgets: [{ fewest: { healthy: 2, desired: 2, atMs: 4 } }] });
  });

  test('Pods of another namespace, and those that the selector leaves out, do not count', () => {
    const ledger = threeReady();
    ledger.podChanged(pod('x', { namespace: 'other' }), 1);
    ledger.podChanged(pod('y', { labels: { app: 'db' } }), 1);
    ledger.podChanged({ ...evicted('x'), namespace: 'other' }, 2);
    ledger.podChanged({ ...evicted('y'), labels: { app: 'db' } }, 2);
    expect(only(ledger)).toMatchObject({ healthy: 3, losses: { eviction: 0 } });
  });

  test('what a new list no longer has was lost meanwhile', () => {
    const ledger = threeReady();
    ledger.podsReplaced([pod('c')], 30);
    expect(ledger.report().violations).toMatchObject([{ atMs: 30, healthy: 1, cause: 'deletion' }]);
  });

  test('a budget that asks for more is not broken by that, but by what is lost then', () => {
    const ledger = threeReady();
    ledger.podChanged(evicted('a'), 10);
    ledger.budgetChanged(budget({ maxUnavailable: null, minAvailable: 3 }), 20);
    expect(ledger.report()).toMatchObject({ violations: [], budgets: [{ fewest: { healthy: 2, desired: 3, atMs: 20 } }] });
    ledger.podChanged(evicted('b'), 30);
    expect(ledger.report().violations).toMatchObject([{ atMs: 30, healthy: 1, desired: 3 }]);
  });

  test('a removed budget is asked no longer', () => {
    const ledger = threeReady();
    ledger.budgetsReplaced([], 5);
    ledger.podsReplaced([], 6);
    expect(ledger.report()).toEqual({ budgets: [], violations: [] });
  });

  test.each([
    { budget: { minAvailable: 2, maxUnavailable: null }, expectedPods: 7, desired: 2 },
    { budget: { minAvailable: '50%', maxUnavailable: null }, expectedPods: 7, desired: 4 },
    { budget: { minAvailable: null, maxUnavailable: '50%' }, expectedPods: 7, desired: 3 },
    { budget: { minAvailable: null, maxUnavailable: 9 }, expectedPods: 7, desired: 0 },
    { budget: { minAvailable: null, maxUnavailable: 0 }, expectedPods: 7, desired: 7 },
    { budget: { minAvailable: null, maxUnavailable: null }, expectedPods: 7, desired: 1 },
  ])('of $expectedPods Pods $budget want $desired', ({ budget: rest, expectedPods, desired }) => {
    expect(desiredOf(budget({ ...rest, expectedPods }))).toBe(desired);
  });
});
