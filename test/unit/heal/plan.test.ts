import { describe, expect, test } from 'vitest';
import type { HealRule } from '../../../src/core/cluster/heal.ts';
import type { NodeFacts } from '../../../src/core/heal/facts.ts';
import { type Look, planHeal, type Verdict } from '../../../src/core/heal/plan.ts';
import { MAINTENANCE } from '../../../src/core/heal/record.ts';
import { noteFacts, type Seen } from '../../../src/core/heal/sight.ts';
import { condition, controlPlane, DEADLOCK, etcd, node, policy, record, SILENT, seen, under, WALL_MS } from './facts.ts';

const NOW = 1_000_000;
const RULES = [DEADLOCK, SILENT];

/** Healthy nodes h1, h2, … beside those that a test is about. */
const healthy = (count: number) => Array.from({ length: count }, (_, i) => up(node(`h${i + 1}`)));
const up = (facts: NodeFacts): Seen => seen(facts, { heartbeat: { renewedAtMs: 1, at: NOW }, healthySince: NOW - 3_600_000 });
const silentFor = (seconds: number, facts: NodeFacts): Seen => seen(facts, { heartbeat: { renewedAtMs: 1, at: NOW - seconds * 1000 } });

function deadlockedFor(seconds: number, facts: NodeFacts): Seen {
  const one = seen(facts, { heartbeat: { renewedAtMs: 1, at: NOW } });
  noteFacts(
    one,
    { ...facts, conditions: [...facts.conditions, condition('KernelDeadlock', 'True')] },
    { signals: DEADLOCK.when, now: NOW - seconds * 1000 },
  );
  return one;
}

type Over = { policy?: Record<string, unknown>; rules?: HealRule[]; beginning?: string[] } & Partial<Look['situation']>;

function plan(nodes: readonly Seen[], { policy: settings = {}, rules = RULES, beginning = [], ...situation }: Over = {}) {
  return planHeal({
    policy: policy(settings),
    rules,
    situation: {
      wallMs: WALL_MS,
      paused: undefined,
      degraded: undefined,
      settlingMs: 0,
      etcd: { kind: 'seen', view: etcd(['cp1', 'cp2', 'cp3']), operation: undefined },
      ...situation,
    },
    seen: new Map(nodes.map((one) => [one.facts.name, one])),
    beginning: new Set(beginning),
    now: NOW,
  });
}

const short = ({ verdicts }: { verdicts: readonly Verdict[] }) =>
  verdicts.map((verdict) => `${verdict.node} ${verdict.kind}${'brake' in verdict ? ` ${verdict.brake}` : ''}`);

const free = { limits: { atOnce: 9, atOncePerZone: 9, perHour: 99 } };

describe('who is begun with', () => {
  test('who has been ill for longest, as many as may be', () => {
    const sick = [silentFor(50, node('a')), silentFor(70, node('b')), silentFor(60, node('c')), silentFor(20, node('d'))];
    expect(short(plan([...sick, ...healthy(9)]))).toEqual(['b begin', 'c refused at-once', 'a refused at-once', 'd suspected']);
    expect(short(plan([...sick, ...healthy(9)], { policy: { limits: { atOnce: 2, atOncePerZone: 2 } } }))).toEqual([
      'b begin',
      'c begin',
      'a refused at-once',
      'd suspected',
    ]);
    expect(short(plan([...sick, ...healthy(9)], { policy: { limits: { atOnce: 9, atOncePerZone: 9, perHour: 1 } } }))).toEqual([
      'b begin',
      'c refused hourly',
      'a refused hourly',
      'd suspected',
    ]);
  });

  test('a zone has a limit of its own', () => {
    const inZone = (name: string, zone: string) => node(name, { labels: { 'topology.kubernetes.io/zone': zone } });
    const sick = [silentFor(60, inZone('a', 'x')), silentFor(50, inZone('b', 'x')), silentFor(45, inZone('c', 'y'))];
    expect(short(plan([...sick, ...healthy(9)], { policy: { limits: { atOnce: 9 } } }))).toEqual(['a begin', 'b refused zone', 'c begin']);
  });

  test('the first rule that fits, else the one that will fit first', () => {
    const quick: HealRule = { ...DEADLOCK, name: 'quick', when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 10 }] };
    const rules = [DEADLOCK, quick];
    expect(plan([deadlockedFor(20, node('a')), ...healthy(3)], { rules }).verdicts).toMatchObject([{ kind: 'begin', rule: 'quick' }]);
    expect(plan([deadlockedFor(5, node('a')), ...healthy(3)], { rules }).verdicts).toMatchObject([
      { kind: 'suspected', rule: 'quick', dueInMs: 5000 },
    ]);
    expect(plan([deadlockedFor(60, node('a')), ...healthy(3)], { rules }).verdicts).toMatchObject([{ kind: 'begin', rule: 'deadlock' }]);
  });

  test('one control-plane host of two that are due in the same look', () => {
    const cps = ['cp1', 'cp2', 'cp3'].map((name) => controlPlane(name));
    const sick = [deadlockedFor(90, cps[0] as NodeFacts), deadlockedFor(80, cps[1] as NodeFacts), up(cps[2] as NodeFacts)];
    expect(short(plan([...sick, ...healthy(9)], { policy: free }))).toEqual(['cp1 begin', 'cp2 refused control-plane']);
  });

  test('a node whose first record is being written counts, also when it looks healthy meanwhile', () => {
    const nodes = [up(node('a')), silentFor(60, node('b')), ...healthy(9)];
    expect(short(plan(nodes, { beginning: ['a'] }))).toEqual(['b refused at-once']);
    expect(short(plan(nodes, { beginning: ['a'], policy: { limits: { atOnce: 9, atOncePerZone: 9, perHour: 1 } } }))).toEqual([
      'b refused hourly',
    ]);
    // It is not in its own way.
    expect(short(plan(nodes, { beginning: ['b'] }))).toEqual(['b begin']);
  });
});

describe('how many are healthy', () => {
  test('nodes that are silent for longer than usual do not count, though nobody calls them ill yet: half of them went silent within the same ten seconds', () => {
    const silent = Array.from({ length: 6 }, (_, i) => silentFor(40 - i * 2, node(`s${i}`)));
    const found = plan([...silent, ...healthy(5)], { policy: free });
    expect(found).toMatchObject({ total: 11, healthy: 5, brake: { brake: 'half-unhealthy' } });
    expect(short(found)[0]).toBe('s0 refused half-unhealthy');
  });

  test('nor do those under a remedy, and those with a signal that does not hold for long enough', () => {
    const found = plan([up(node('a', under({ state: 'failed' }))), deadlockedFor(1, node('b')), ...healthy(2)]);
    expect(found).toMatchObject({ total: 4, healthy: 2, brake: { brake: 'half-unhealthy' } });
  });
});

describe('a remedy under way', () => {
  const verdictOf = (one: Seen, over: Over = {}) => plan([one, ...healthy(5)], over).verdicts[0];

  test('goes on step by step, and is held before one that harms', () => {
    expect(verdictOf(silentFor(60, node('a', under({ step: 1 }))))).toMatchObject({ kind: 'step', step: 'power-off' });
    expect(verdictOf(silentFor(60, node('a', under({ step: 1 }))), { paused: 'ann' })).toMatchObject({
      kind: 'held',
      step: 'power-off',
      brake: 'paused',
    });
    expect(verdictOf(silentFor(60, node('a', { ...under({ step: 1, cordoned: false }), unschedulable: true })))).toMatchObject({
      kind: 'held',
      brake: 'maintenance',
    });
    // What only brings it back is done all the same.
    expect(verdictOf(silentFor(60, node('a', under({ step: 3 }))), { paused: 'ann' })).toMatchObject({ kind: 'step', step: 'power-on' });
  });

  test('ends when the node is healthy for long enough', () => {
    const back = (seconds: number, over: Parameters<typeof record>[0]) =>
      verdictOf(seen(node('a', under(over)), { heartbeat: { renewedAtMs: 1, at: NOW }, healthySince: NOW - seconds * 1000 }));
    expect(back(59, {})).toMatchObject({ kind: 'awaited', text: 'it is healthy again; taken back in 1 s' });
    expect(back(60, {})).toMatchObject({ kind: 'recovered' });
    // The power is off: what it said before counts no more.
    expect(back(60, { step: 2 })).toMatchObject({ kind: 'step', step: 'out-of-service' });
    expect(back(60, { step: 2, bootId: 'boot-0' })).toMatchObject({ kind: 'recovered' });
  });

  test('a node that came back before its power was cut is not cut off any more', () => {
    const back = (healthyForMs: number, settings = {}) =>
      verdictOf(seen(node('a', under({ step: 1 })), { heartbeat: { renewedAtMs: 1, at: NOW }, healthySince: NOW - healthyForMs }), {
        policy: settings,
      });
    expect(back(0)).toMatchObject({ kind: 'awaited' });
    expect(back(60_000)).toMatchObject({ kind: 'recovered' });
    // Its power may have been cut a moment ago, by a controller that ended before it could say so.
    expect(back(49_000, { recoverySeconds: 0 })).toMatchObject({ kind: 'awaited' });
    expect(back(50_000, { recoverySeconds: 0 })).toMatchObject({ kind: 'recovered' });
  });

  test('is left where it is while somebody else works on the node, also when that is healthy again', () => {
    const annotations = { ...under().annotations, [MAINTENANCE]: 'ann since noon' };
    expect(verdictOf(up(node('a', { annotations })))).toMatchObject({ kind: 'awaited', text: expect.stringContaining('ann since noon') });
  });

  test('waits for the node after the last step as long as the policy says', () => {
    const waiting = (agoMs: number) => verdictOf(silentFor(60, node('a', under({ step: 4, state: 'waiting', stepAtMs: WALL_MS - agoMs }))));
    expect(waiting(0)).toMatchObject({ kind: 'awaited', text: 'all steps are done; it may take 15 min more to be healthy' });
    expect(waiting(900_000)).toMatchObject({ kind: 'out-of-patience' });
  });

  test('ends as failed when a step fails for longer than that: it would stand in the way of all others', () => {
    const failing = (over: Parameters<typeof record>[0]) =>
      verdictOf(silentFor(60, node('a', under({ step: 1, problem: 'no route', ...over }))));
    expect(failing({ failures: 9, stepAtMs: WALL_MS - 899_000 })).toMatchObject({ kind: 'step' });
    expect(failing({ failures: 9, stepAtMs: WALL_MS - 900_000 })).toMatchObject({
      kind: 'out-of-patience',
      problem: expect.stringContaining('no route'),
    });
    // It was held for hours, and then failed once.
    expect(failing({ failures: 1, stepAtMs: WALL_MS - 9_000_000 })).toMatchObject({ kind: 'step' });
  });
});

test('one that failed is begun anew when its signal still holds and the back-off is over', () => {
  const failed = under({ state: 'failed' });
  expect(short(plan([silentFor(60, node('a', failed)), ...healthy(3)]))).toEqual(['a begin']);
  expect(short(plan([silentFor(10, node('a', failed)), ...healthy(3)]))).toEqual(['a awaited']);
  expect(short(plan([silentFor(30, node('a', failed)), ...healthy(3)]))).toEqual(['a awaited']);
});
