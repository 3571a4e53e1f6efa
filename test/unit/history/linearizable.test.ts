import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linearizabilityProblems } from '../../support/history/linearizable.ts';
import type { Operation } from '../../support/history/operation.ts';
import { revisionProblems } from '../../support/history/revisions.ts';
import { simulate } from '../../support/history/simulate.ts';

let lastId = 0;
const at = (times: readonly [number, number]) => ({ id: ++lastId, client: 'c', key: 'k', invokedAtMs: times[0], returnedAtMs: times[1] });
const put = (value: string, times: [number, number], revision: number): Operation => ({
  ...at(times),
  kind: 'write',
  value,
  outcome: { kind: 'written', revision },
});
const lostPut = (value: string, times: [number, number]): Operation => ({
  ...at(times),
  kind: 'write',
  value,
  outcome: { kind: 'unknown', error: 'no answer' },
});
const failedPut = (value: string, times: [number, number]): Operation => ({
  ...at(times),
  kind: 'write',
  value,
  outcome: { kind: 'failed', error: 'refused' },
});
const read = (value: string | null, times: [number, number], revisions: [mod: number, store: number]): Operation => ({
  ...at(times),
  kind: 'read',
  outcome: { kind: 'seen', value, modRevision: revisions[0], revision: revisions[1] },
});
const cas = (values: [from: string | null, to: string], times: [number, number], revisions: [from: number, own: number]): Operation => ({
  ...at(times),
  kind: 'cas',
  from: values[0],
  fromRevision: revisions[0],
  value: values[1],
  outcome: { kind: 'written', revision: revisions[1] },
});
const conflict = (from: string | null, fromRevision: number, times: [number, number]): Operation => ({
  ...at(times),
  kind: 'cas',
  from,
  fromRevision,
  value: `never ${lastId}`,
  outcome: { kind: 'conflict', revision: 9 },
});

describe.each<{ what: string; history: Operation[] }>([
  {
    what: 'one after the other',
    history: [put('a', [0, 1], 2), read('a', [2, 3], [2, 2]), cas(['a', 'b'], [4, 5], [2, 3]), read('b', [6, 7], [3, 3])],
  },
  { what: 'a read beside a write sees the old value', history: [put('a', [0, 1], 2), put('b', [2, 9], 3), read('a', [3, 4], [2, 2])] },
  { what: 'and the new one', history: [put('a', [0, 1], 2), put('b', [2, 9], 3), read('b', [3, 4], [3, 3]), read('b', [10, 11], [3, 3])] },
  { what: 'a write without an answer never happens', history: [put('a', [0, 1], 2), lostPut('b', [2, 3]), read('a', [9, 10], [2, 2])] },
  {
    what: 'or happens long after',
    history: [put('a', [0, 1], 2), lostPut('b', [2, 3]), read('a', [9, 10], [2, 2]), read('b', [11, 12], [3, 3])],
  },
  { what: 'or is why another one failed', history: [put('a', [0, 1], 2), lostPut('b', [2, 3]), conflict('a', 2, [4, 5])] },
  {
    what: 'two writes that nobody saw, then one that was',
    history: [put('a', [0, 9], 3), put('b', [0, 9], 2), put('c', [0, 9], 4), read('c', [10, 11], [4, 4])],
  },
])('legal: $what', ({ history }) => {
  test('is found to be so', () => expect([...linearizabilityProblems(history), ...revisionProblems(history)]).toEqual([]));
});

describe.each<{ what: string; history: Operation[]; revisions?: false; values?: false }>([
  { what: 'a lost write', history: [put('a', [0, 1], 2), put('b', [2, 3], 3), read('a', [4, 5], [2, 3])] },
  { what: 'a lost first write', history: [put('a', [0, 1], 2), read(null, [4, 5], [0, 2])] },
  { what: 'a stale read, at an old revision', history: [put('a', [0, 1], 2), put('b', [2, 3], 3), read('a', [4, 5], [2, 2])] },
  {
    what: 'a write applied twice',
    history: [put('a', [0, 1], 2), put('b', [2, 3], 3), read('b', [4, 5], [3, 3]), read('a', [6, 7], [4, 4])],
    revisions: false,
  },
  {
    what: 'a write without an answer applied twice',
    history: [lostPut('a', [0, 1]), put('b', [2, 3], 3), read('a', [4, 5], [4, 4]), put('c', [6, 7], 5), read('a', [8, 9], [6, 6])],
    revisions: false,
  },
  { what: 'writes in another order than their answers', history: [put('a', [0, 1], 3), put('b', [2, 3], 2)], values: false },
  {
    what: 'readers that disagree on the order',
    history: [put('a', [0, 9], 2), put('b', [0, 9], 3), read('b', [10, 11], [3, 3]), read('a', [12, 13], [2, 3])],
  },
  { what: 'a value that nobody wrote', history: [read('ghost', [0, 1], [2, 2])], revisions: false },
  { what: 'a value whose write was refused', history: [failedPut('a', [0, 1]), read('a', [2, 3], [2, 2])], revisions: false },
  { what: 'a read of the future', history: [read('a', [0, 1], [2, 2]), put('a', [2, 3], 2)], revisions: false },
  {
    what: 'two of the same cas',
    history: [put('a', [0, 1], 2), cas(['a', 'b'], [2, 3], [2, 3]), cas(['a', 'c'], [2, 3], [2, 4])],
  },
  {
    what: 'a cas that overwrites what it does not know',
    history: [put('a', [0, 1], 2), put('b', [2, 3], 3), cas(['a', 'c'], [4, 5], [2, 4])],
  },
  {
    what: 'a conflict without a cause',
    history: [put('a', [0, 1], 2), conflict('a', 2, [2, 3]), read('a', [4, 5], [2, 2])],
    values: false,
  },
  { what: 'one revision for two writes', history: [put('a', [0, 9], 2), put('b', [0, 9], 2)], values: false },
])('$what', ({ history, revisions = true, values = true }) => {
  test.skipIf(!values)('is found by the values', () => expect(linearizabilityProblems(history)).toHaveLength(1));
  test.skipIf(!revisions)('is found by the revisions', () => expect(revisionProblems(history).length).toBeGreaterThan(0));
});

test('histories that can be are found to be so, also where clients learn nothing', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(0, 0.1, 0.5),
      (seed, clients, keys, unknown) => {
        const history = simulate({ seed, operations: 150, clients, keys, unknown });
        expect([...linearizabilityProblems(history), ...revisionProblems(history)]).toEqual([]);
      },
    ),
  );
});

test('says the same as a search without any of the shortcuts', () => {
  const verdicts = { legal: 0, illegal: 0 };
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(0, 0.3), fc.nat(), (seed, unknown, spoilt) => {
      const history = spoil(simulate({ seed, operations: 9, clients: 4, keys: 1, unknown }), spoilt);
      const legal = isLinearizable(history);
      verdicts[legal ? 'legal' : 'illegal']++;
      expect({ history, legal: linearizabilityProblems(history).length === 0 }).toEqual({ history, legal });
    }),
    { numRuns: 3000 },
  );
  expect(Math.min(verdicts.legal, verdicts.illegal)).toBeGreaterThan(300);
});

test.each([
  { clients: 6, keys: 4 },
  { clients: 16, keys: 1 },
])('10,000 operations of $clients clients on $keys keys are checked in a moment', ({ clients, keys }) => {
  const history = simulate({ seed: 1, operations: 10_000, clients, keys, unknown: 0.05 });
  expect([...linearizabilityProblems(history), ...revisionProblems(history)]).toEqual([]);
});

/** Swaps what two reads saw, or has a conflict where a write was and the other way round; often that cannot be. */
function spoil(history: Operation[], seed: number): Operation[] {
  const reads = history.filter(({ outcome }) => outcome.kind === 'seen');
  const one = reads[seed % Math.max(1, reads.length)];
  const other = reads[(seed >> 8) % Math.max(1, reads.length)];
  if (one !== undefined && other !== undefined) {
    const { outcome } = one;
    Object.assign(one, { outcome: other.outcome });
    Object.assign(other, { outcome });
  }
  const all = history.filter(({ kind }) => kind === 'cas');
  const changed = all[(seed >> 4) % Math.max(1, all.length)];
  if (changed !== undefined && seed % 3 === 0) {
    Object.assign(changed, { outcome: { kind: changed.outcome.kind === 'written' ? 'conflict' : 'written', revision: 9 } });
  }
  return history;
}

/** Tries every order, and of what is unknown also to leave it out (Wing and Gong 1993, without anything clever). */
function isLinearizable(operations: readonly Operation[], state: string | null = null): boolean {
  const open = operations.filter(({ outcome }) => outcome.kind !== 'failed');
  if (open.every(({ outcome }) => outcome.kind === 'unknown')) return true;
  const firstEnd = Math.min(...open.map(({ outcome, returnedAtMs }) => (outcome.kind === 'unknown' ? Infinity : returnedAtMs)));
  return open.some((operation) => {
    if (operation.invokedAtMs > firstEnd) return false;
    const next = stateAfter(operation, state);
    return (
      next !== undefined &&
      isLinearizable(
        open.filter((one) => one !== operation),
        next,
      )
    );
  });
}

/** Undefined when it cannot take effect now. */
function stateAfter(operation: Operation, state: string | null): string | null | undefined {
  const { kind, outcome } = operation;
  if (kind === 'read') return outcome.kind !== 'seen' || outcome.value === state ? state : undefined;
  if (kind === 'write') return operation.value;
  if (outcome.kind === 'conflict') return state;
  return state === operation.from ? operation.value : undefined;
}
