import { describe, expect, test } from 'vitest';
import { createDrain, drain } from '../../../src/core/heal/drain/drain.ts';
import { fateOf } from '../../../src/core/heal/drain/sort.ts';
import type { DrainAnswer, DrainConfig, DrainInput, DrainOutput, DrainState } from '../../../src/core/heal/drain/state.ts';
import type { BudgetFacts, PodFacts } from '../../../src/core/heal/facts.ts';
import { budget, pod } from './facts.ts';

const CONFIG: DrainConfig = {
  nodes: ['n1'],
  silent: [],
  unmanagedPods: 'keep',
  emptyDirPods: 'keep',
  graceSeconds: undefined,
  deadlineMs: 900_000,
  atDeadline: 'give-up',
  parallel: 50,
};

/** A drain that is told things, one after the other. */
class Story {
  state: DrainState;
  now = 0;
  readonly outputs: DrainOutput[] = [];

  constructor(config: Partial<DrainConfig> = {}) {
    this.state = createDrain({ ...CONFIG, ...config }, 0);
  }

  /** What it asks of the API, by name. */
  tell(input: DrainInput): string[] {
    const { state, outputs } = drain.step(this.state, input, this.now);
    this.state = state;
    this.outputs.push(...outputs);
    return outputs.flatMap((output) => (output.kind === 'evict' || output.kind === 'delete' ? [`${output.kind} ${output.pod.name}`] : []));
  }

  begin(pods: readonly PodFacts[], budgets: readonly BudgetFacts[] = []): string[] {
    this.tell({ kind: 'budgets', items: budgets });
    return this.tell({ kind: 'pods', items: pods });
  }

  answer(one: PodFacts, answer: DrainAnswer): string[] {
    return this.tell({ kind: 'answered', pod: one, answer });
  }

  /** When it wants to be woken, and what it then does. */
  wake(): string[] {
    this.now = drain.wakeAt(this.state);
    return this.tell({ kind: 'tick' });
  }

  get outcome() {
    return this.state.outcome;
  }
}

const no = (over: Partial<Extract<DrainAnswer, { kind: 'blocked' }>> = {}): DrainAnswer => ({
  kind: 'blocked',
  budget: undefined,
  reason: 'Cannot evict',
  retryAfterMs: undefined,
  ...over,
});
const [a, b, c] = ['a', 'b', 'c'].map((name) => pod(name)) as [PodFacts, PodFacts, PodFacts];

describe('what becomes of a Pod, as kubectl sorts them (pkg/drain/filters.go)', () => {
  const keep = { unmanagedPods: 'keep', emptyDirPods: 'keep' } as const;
  const daemon = { owner: { kind: 'DaemonSet', name: 'd' } };

  test.each([
    ['managed', {}, { kind: 'evict' }],
    ['mirror', { isMirror: true, owner: { kind: 'Node', name: 'n1' } }, { kind: 'leave', why: 'mirror' }],
    ['of a DaemonSet', daemon, { kind: 'leave', why: 'daemonset' }],
    ['of a DaemonSet, with an emptyDir', { ...daemon, emptyDirs: ['x'] }, { kind: 'leave', why: 'daemonset' }],
    ['of a DaemonSet that has ended', { ...daemon, phase: 'Failed' }, { kind: 'evict' }],
    ['unmanaged', { owner: null }, { kind: 'forbidden', why: 'unmanaged' }],
    ['unmanaged that has ended', { owner: null, phase: 'Succeeded' }, { kind: 'evict' }],
    ['unmanaged that ends already', { owner: null, deletionAtMs: 5 }, { kind: 'evict' }],
    ['with an emptyDir', { emptyDirs: ['cache'] }, { kind: 'forbidden', why: 'empty-dir' }],
    ['with an emptyDir that has ended', { emptyDirs: ['cache'], phase: 'Failed' }, { kind: 'evict' }],
  ] as const)('%s', (_, over, fate) => {
    expect(fateOf(pod('a', over as Partial<PodFacts>), keep)).toEqual(fate);
  });

  test('what is allowed to end ends', () => {
    const all = { unmanagedPods: 'delete', emptyDirPods: 'delete' } as const;
    expect(fateOf(pod('a', { owner: null, emptyDirs: ['x'] }), all)).toEqual({ kind: 'evict' });
  });

  test('one Pod that must not end, and nothing begins', () => {
    const story = new Story();
    expect(story.begin([a, pod('mine', { owner: null })])).toEqual([]);
    expect(story.outcome).toMatchObject({ kind: 'forbidden', pods: [{ pod: { name: 'mine' }, why: 'unmanaged' }] });
  });

  test('one that comes to the node after the beginning is no more allowed to end', () => {
    const story = new Story();
    story.begin([a]);
    expect(story.tell({ kind: 'pod', item: pod('late', { emptyDirs: ['x'] }) })).toEqual([]);
    expect(story.outcome).toMatchObject({ kind: 'forbidden', pods: [{ pod: { name: 'late' }, why: 'empty-dir' }] });
    const again = new Story();
    again.begin([a]);
    expect(again.tell({ kind: 'pods', items: [a, pod('late', { owner: null })] })).toEqual([]);
    expect(again.outcome).toMatchObject({ kind: 'forbidden' });
  });
});

describe('budgets', () => {
  test('as many as a budget allows, and the next when it says so', () => {
    const story = new Story();
    expect(story.begin([a, b, c], [budget('web', { disruptionsAllowed: 2 })])).toEqual(['evict a', 'evict b']);
    story.answer(a, { kind: 'accepted' });
    story.answer(b, { kind: 'accepted' });
    expect(story.tell({ kind: 'budget', item: budget('web', { disruptionsAllowed: 0 }) })).toEqual([]);
    expect(story.tell({ kind: 'budget', item: budget('web') })).toEqual(['evict c']);
  });

  test('a Pod under two budgets needs credit of both, and uses it of both', () => {
    const story = new Story();
    const all = { matchLabels: {}, matchExpressions: [] };
    const closed = budget('all', { selector: all, disruptionsAllowed: 0 });
    expect(story.begin([a, b], [budget('web', { disruptionsAllowed: 2 }), closed])).toEqual(['evict a']);
    story.answer(a, no());
    expect(story.tell({ kind: 'budget', item: budget('web', { disruptionsAllowed: 2 }) })).toEqual([]);
    expect(story.tell({ kind: 'budget', item: { ...closed, disruptionsAllowed: 1 } })).toEqual(['evict a']);
  });

  test('one of another namespace, or for other labels, is none of theirs', () => {
    const others = [
      budget('x', { namespace: 'other', disruptionsAllowed: 0 }),
      budget('y', { selector: { matchLabels: { app: 'db' }, matchExpressions: [] }, disruptionsAllowed: 0 }),
    ];
    expect(new Story().begin([a, b], others)).toEqual(['evict a', 'evict b']);
  });

  test('one that allows nothing is tried now and then with a single Pod, since what it said may be old', () => {
    const story = new Story();
    expect(story.begin([a, b, c], [budget('web', { disruptionsAllowed: 0 })])).toEqual(['evict a']);
    story.answer(a, no());
    expect(story.state.pods.get('shop/b')).toMatchObject({
      phase: 'blocked',
      reason: expect.stringContaining('PodDisruptionBudget shop/web allows none now: 3 healthy, 2 needed'),
    });
    expect(drain.wakeAt(story.state)).toBe(5000);
    expect(story.wake()).toEqual(['evict a']);
  });

  test('Pods that are not ready need none while the budget is kept, or always where it says so (pkg/registry/core/pod/storage/eviction.go)', () => {
    const broken = pod('broken', { isReady: false });
    const asked = (over: Partial<BudgetFacts>) => {
      const story = new Story();
      story.begin([a, broken], [budget('web', { disruptionsAllowed: 0, ...over })]);
      return story.outputs.filter(({ kind }) => kind === 'evict').map((output) => (output as { pod: PodFacts }).pod.name);
    };
    // The first ready one is the one that is tried.
    expect(asked({ currentHealthy: 2 })).toEqual(['a', 'broken']);
    expect(asked({ currentHealthy: 1 })).toEqual(['a']);
    expect(asked({ currentHealthy: 0, desiredHealthy: 0 })).toEqual(['a']);
    expect(asked({ currentHealthy: 1, unhealthyPods: 'AlwaysAllow' })).toEqual(['a', 'broken']);
  });

  test('a refusal that no known budget explains is asked again after some time, not at once', () => {
    const story = new Story();
    expect(story.begin([a])).toEqual(['evict a']);
    expect(story.answer(a, no())).toEqual([]);
    expect(drain.wakeAt(story.state)).toBeGreaterThanOrEqual(1000);
    expect(story.wake()).toEqual(['evict a']);
    // An API server that has too much to do says when.
    expect(story.answer(a, no({ retryAfterMs: 9000 }))).toEqual([]);
    expect(drain.wakeAt(story.state)).toBe(story.now + 9000);
  });

  test("a budget that is deleted is in nobody's way", () => {
    const story = new Story();
    story.begin([a, b], [budget('web', { disruptionsAllowed: 0 })]);
    story.answer(a, no());
    expect(story.tell({ kind: 'budget-gone', item: budget('web') })).toContain('evict b');
  });
});

describe('how it ends', () => {
  test('drained, when the last Pod is gone from the API', () => {
    const story = new Story();
    story.begin([a, pod('daemon', { owner: { kind: 'DaemonSet', name: 'd' } })]);
    story.answer(a, { kind: 'accepted' });
    expect(story.outcome).toBeUndefined();
    story.tell({ kind: 'pod-gone', item: a });
    expect(story.outcome).toEqual({ kind: 'drained', gone: 1 });
  });

  test('at once, where there is nothing to drain, but not before Pods and budgets are known', () => {
    const story = new Story();
    story.tell({ kind: 'pods', items: [] });
    expect(story.outcome).toBeUndefined();
    story.tell({ kind: 'budgets', items: [] });
    expect(story.outcome).toEqual({ kind: 'drained', gone: 0 });
  });

  test('Pods of silent nodes are gone when their end is accepted: nobody will confirm it', () => {
    const story = new Story({ silent: ['n1'] });
    story.begin([a]);
    story.answer(a, { kind: 'accepted' });
    expect(story.outcome).toEqual({ kind: 'drained', gone: 1 });
  });

  test('another Pod of the same name is another Pod: a StatefulSet makes it anew', () => {
    const story = new Story();
    story.begin([a]);
    story.answer(a, { kind: 'accepted' });
    expect(story.tell({ kind: 'pod', item: { ...a, uid: 'second' } })).toEqual(['evict a']);
    story.tell({ kind: 'pod-gone', item: a });
    expect(story.outcome).toBeUndefined();
    story.tell({ kind: 'pod-gone', item: { ...a, uid: 'second' } });
    expect(story.outcome).toMatchObject({ kind: 'drained' });
  });

  test('at the deadline it gives up, and says what is left and why', () => {
    const story = new Story();
    story.begin([a, b], [budget('web', { disruptionsAllowed: 0 })]);
    story.answer(a, no());
    story.now = 900_000;
    expect(story.tell({ kind: 'tick' })).toEqual([]);
    expect(story.outcome).toMatchObject({
      kind: 'deadline',
      left: [{ pod: { name: 'a' }, phase: 'blocked', reason: 'Cannot evict' }, { pod: { name: 'b' } }],
    });
  });

  test('or deletes what is left, whatever budgets say, and gives up on what still stays', () => {
    const story = new Story({ atDeadline: 'delete' });
    story.begin([a, b], [budget('web', { disruptionsAllowed: 0 })]);
    story.answer(a, no());
    story.now = 900_000;
    expect(story.tell({ kind: 'tick' })).toEqual(['delete a', 'delete b']);
    for (const one of [a, b]) story.answer(one, { kind: 'accepted' });
    story.tell({ kind: 'pod-gone', item: a });
    // Their grace, and a minute.
    expect(drain.wakeAt(story.state)).toBe(900_000 + 30_000 + 60_000);
    story.wake();
    expect(story.outcome).toMatchObject({ kind: 'deadline', left: [{ pod: { name: 'b' }, phase: 'ending' }] });
  });

  test('the deadline passes also while nothing is heard of the API', () => {
    const story = new Story();
    story.now = 900_000;
    story.tell({ kind: 'tick' });
    expect(drain.wakeAt(story.state)).toBe(900_000);
    story.tell({ kind: 'pods', items: [a] });
    expect(story.outcome).toMatchObject({ kind: 'deadline' });
  });

  test('cancelled, and then it asks for nothing more', () => {
    const story = new Story();
    story.begin([a, b], [budget('web')]);
    story.tell({ kind: 'cancel' });
    expect(story.outcome).toEqual({ kind: 'cancelled' });
    expect(story.tell({ kind: 'budget', item: budget('web', { disruptionsAllowed: 9 }) })).toEqual([]);
    expect(drain.wakeAt(story.state)).toBe(Number.POSITIVE_INFINITY);
  });
});

test('failures are tried again, after 1, 2, 4 … 30 s', () => {
  const story = new Story({ deadlineMs: Number.POSITIVE_INFINITY });
  story.begin([a]);
  const waits = Array.from({ length: 7 }, () => {
    story.answer(a, { kind: 'failed', reason: 'internal error' });
    const before = story.now;
    story.wake();
    return story.now - before;
  });
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test('no more at the same time than allowed, and one that is being deleted already is on its way', () => {
  const story = new Story({ parallel: 2 });
  const leaving = pod('leaving', { deletionAtMs: 5 });
  expect(story.begin([leaving, a, b, c])).toEqual(['evict a']);
  expect(story.tell({ kind: 'pod-gone', item: leaving })).toEqual(['evict b']);
});

test('2,000 Pods behind one budget that allows one at a time: one request for each, and little more', () => {
  const pods = Array.from({ length: 2000 }, (_, i) => pod(`p${i}`));
  const story = new Story({ deadlineMs: Number.POSITIVE_INFINITY });
  let asked = story.begin(pods, [budget('web')]);
  let requests = 0;
  for (let turn = 0; turn < 2000; turn++) {
    expect(asked).toHaveLength(1);
    requests += 1;
    const one = pods[turn] as PodFacts;
    story.answer(one, { kind: 'accepted' });
    story.tell({ kind: 'budget', item: budget('web', { disruptionsAllowed: 0 }) });
    story.tell({ kind: 'pod-gone', item: one });
    story.now += 100;
    asked = story.tell({ kind: 'budget', item: budget('web') });
  }
  expect(requests).toBe(2000);
  expect(story.outcome).toEqual({ kind: 'drained', gone: 2000 });
});
