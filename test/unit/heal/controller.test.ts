import { describe, expect, test } from 'vitest';
import type { HealRule } from '../../../src/core/cluster/heal.ts';
import { controller, createController, planOf } from '../../../src/core/heal/controller.ts';
import type { NodeFacts } from '../../../src/core/heal/facts.ts';
import { HISTORY, type RemedyRecord, remedyOf } from '../../../src/core/heal/record.ts';
import type { ControllerOutput } from '../../../src/core/heal/state.ts';
import { condition, controlPlane, DEADLOCK, node, policy, record, SILENT, under, WALL_MS } from './facts.ts';
import { type Run, Story, type Write } from './story.ts';

const kinds = (outputs: readonly ControllerOutput[]) => outputs.map(({ kind }) => kind).filter((kind) => kind !== 'tell');
const writes = (outputs: readonly ControllerOutput[]) => outputs.filter(({ kind }) => kind === 'write') as Write[];
const runs = (outputs: readonly ControllerOutput[]) => outputs.filter(({ kind }) => kind === 'run') as Run[];
const healthy = Array.from({ length: 4 }, (_, i) => node(`h${i + 1}`));
const deadlock = { conditions: [condition('Ready', 'True'), condition('KernelDeadlock', 'True')] };

/** A story with a deadlocked node `a`, whose remedy has begun and is written. */
function begun(options: ConstructorParameters<typeof Story>[1] = {}): Story {
  const story = new Story([node('a', deadlock), ...healthy], options);
  const [write] = writes(story.pass(61));
  if (write !== undefined) story.written(write);
  return story;
}

describe('what is done is written first', () => {
  test('the record when a remedy begins, at the version that was seen, with the history', () => {
    const story = new Story([node('a', { ...deadlock, annotations: { [HISTORY]: String(WALL_MS / 1000 - 7200) } }), ...healthy]);
    expect(kinds(story.pass(59))).toEqual([]);
    const outputs = story.pass(3);
    expect(kinds(outputs)).toEqual(['write']);
    expect(writes(outputs)[0]).toMatchObject({
      node: 'a',
      version: '100',
      record: {
        rule: 'deadlock',
        why: 'KernelDeadlock is True for 60 s',
        steps: ['cordon', 'drain', 'reboot'],
        step: 0,
        state: 'working',
        cordoned: true,
        bootId: 'boot-1',
      },
      history: [WALL_MS - 7_200_000, WALL_MS + 60_000],
    });
    // Nothing is run before the answer.
    expect(kinds(story.pass(5))).toEqual([]);
    story.written(writes(outputs)[0] as Write);
    expect(runs(story.pass(1))).toMatchObject([{ step: 'cordon', isSilent: false }]);
  });

  test('each step that is done, before the next is run', () => {
    const story = begun();
    const [cordon] = runs(story.pass(1)) as [Run];
    expect(kinds(story.pass(5))).toEqual([]);
    story.ended(cordon, { kind: 'done' });
    const [write] = writes(story.outputs.slice(-1)) as [Write];
    expect(write.record).toMatchObject({ step: 1, failures: 0, state: 'working' });
    expect(write.history).toBeUndefined();
    expect(kinds(story.pass(5))).toEqual([]);
    story.written(write);
    expect(runs(story.pass(1))).toMatchObject([{ step: 'drain' }]);
  });

  test('the taint, before it is set', () => {
    const story = new Story([node('a', under({ step: 2 })), ...healthy]);
    story.silent.add('a');
    const outputs = story.pass(21);
    expect(kinds(outputs)).toEqual(['write']);
    expect(writes(outputs)[0]).toMatchObject({ record: { tainted: true, step: 2 } });
    story.written(writes(outputs)[0] as Write);
    expect(runs(story.pass(1))).toMatchObject([{ step: 'out-of-service' }]);
  });

  test('a write that came too late is done again from what is there, after a second', () => {
    const story = new Story([node('a', deadlock), ...healthy]);
    const [write] = writes(story.pass(61)) as [Write];
    story.tell({ kind: 'written', node: 'a', now: undefined });
    expect(story.tell({ kind: 'tick', wallMs: WALL_MS + story.now })).toEqual([]);
    const changed = story.change('a', { labels: { x: 'y' } });
    expect(writes(story.pass(2))).toMatchObject([{ version: changed.version, record: { step: 0 } }]);
    expect(changed.version).not.toBe(write.version);
  });

  test('a step that is done is not done again because the write of that came too late: a host would be rebooted twice', () => {
    const story = new Story([node('a', { ...deadlock, ...under({ rule: 'deadlock', steps: ['cordon', 'reboot'], step: 1 }) }), ...healthy]);
    const [reboot] = runs(story.pass(21)) as [Run];
    story.ended(reboot, { kind: 'done' });
    story.tell({ kind: 'written', node: 'a', now: undefined });
    const outputs = story.pass(3);
    expect(kinds(outputs)).toEqual(['write']);
    expect(writes(outputs)[0]).toMatchObject({ record: { step: 2, state: 'waiting' } });
  });

  test('nor because it could not be stopped when a brake came: what was done is written when the remedy goes on', () => {
    const story = new Story([node('a', { ...deadlock, ...under({ rule: 'deadlock', steps: ['cordon', 'reboot'], step: 1 }) }), ...healthy]);
    const [reboot] = runs(story.pass(21)) as [Run];
    story.tell({ kind: 'paused', by: 'ann' });
    story.pass(2);
    story.ended(reboot, { kind: 'done' });
    expect(kinds(story.pass(2))).toEqual([]);
    story.tell({ kind: 'paused', by: undefined });
    expect(writes(story.pass(2))).toMatchObject([{ record: { step: 2, state: 'waiting' } }]);
  });

  test('two begin in no case where one may, also while the answer to the first is missing', () => {
    const story = new Story([node('a', deadlock), node('b'), ...healthy]);
    const first = writes(story.pass(61));
    expect(first.map(({ node: name }) => name)).toEqual(['a']);
    story.change('b', deadlock);
    // It looks healthy, but its record may be in it by now.
    story.change('a', { conditions: [condition('Ready', 'True')] });
    expect(writes(story.pass(70))).toEqual([]);
    story.tell({ kind: 'written', node: 'a', now: undefined });
    expect(writes(story.pass(9))).toEqual([]);
    expect(writes(story.pass(2)).map(({ node: name }) => name)).toEqual(['b']);
  });
});

describe('failures', () => {
  test('a step that failed is tried again after 10, 20, 40 … 300 s, and the count is in the record', () => {
    const story = begun({ policy: { patienceSeconds: 86_400 } });
    let [run] = runs(story.pass(1)) as [Run];
    const waits = Array.from({ length: 7 }, () => {
      story.ended(run, { kind: 'failed', reason: 'no' });
      story.written(writes(story.outputs.slice(-1))[0] as Write);
      const before = story.now;
      while (runs(story.outputs.slice(-1))[0] === undefined) story.pass(1);
      run = runs(story.outputs.slice(-1))[0] as Run;
      return (story.now - before) / 1000;
    });
    expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300]);
    expect(remedyOf(story.nodes.get('a') as NodeFacts)).toMatchObject({ failures: 7, problem: 'no', step: 0 });
  });

  test('one that is stuck ends the remedy, and a person decides', () => {
    const story = begun();
    story.ended(runs(story.pass(1))[0] as Run, { kind: 'stuck', reason: 'Pods left' });
    const [write] = writes(story.outputs.slice(-1)) as [Write];
    expect(write.record).toMatchObject({ state: 'failed', problem: 'Pods left' });
    story.written(write);
    expect(kinds(story.pass(300))).toEqual([]);
  });

  test('the one after a failed one takes back what that set', () => {
    const failed = under({ state: 'failed', tainted: true, step: 3, startedAtMs: WALL_MS - 3_600_000 });
    const taints = [{ key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' as const }];
    const story = new Story([node('a', { ...failed, taints, unschedulable: true }), ...healthy]);
    story.silent.add('a');
    const [write] = writes(story.pass(45)) as [Write];
    expect(write.record).toMatchObject({ state: 'working', step: 0, cordoned: true, tainted: true });
    story.written(write);
    // It is not somebody else's taint now.
    expect(runs(story.pass(1))).toMatchObject([{ step: 'cordon' }]);
  });
});

describe('when the node is healthy again', () => {
  test('a step that runs is cancelled, and after a while everything is taken back, once', () => {
    const story = begun();
    story.pass(1);
    story.change('a', { conditions: [condition('Ready', 'True')] });
    expect(kinds(story.pass(1))).toEqual(['cancel']);
    expect(kinds(story.pass(58))).toEqual([]);
    const outputs = story.pass(2);
    expect(kinds(outputs)).toEqual(['take-back']);
    story.tell({ kind: 'taken-back', node: 'a', problem: undefined });
    story.change('a', { annotations: {} });
    expect(kinds(story.pass(60))).toEqual([]);
    expect(planOf(story.state, story.now).verdicts).toEqual([]);
  });

  test('taking back is tried again when it failed, and not twice while the watch is late', () => {
    const story = begun();
    story.change('a', { conditions: [condition('Ready', 'True')] });
    expect(kinds(story.pass(62))).toContain('take-back');
    story.tell({ kind: 'taken-back', node: 'a', problem: 'no answer' });
    expect(kinds(story.pass(2))).toEqual(['take-back']);
    story.tell({ kind: 'taken-back', node: 'a', problem: undefined });
    story.now += 900;
    expect(kinds(story.tell({ kind: 'tick', wallMs: WALL_MS + story.now }))).toEqual([]);
  });
});

describe('a dry run', () => {
  test('goes through everything, and writes nothing', () => {
    const story = begun({ dryRun: true });
    for (let i = 0; i < 3; i++) {
      story.pass(2);
      story.ended(runs(story.outputs).at(-1) as Run, { kind: 'done' });
    }
    expect(planOf(story.state, story.now).verdicts).toMatchObject([{ node: 'a', kind: 'awaited', record: { step: 3, state: 'waiting' } }]);
    expect(writes(story.outputs)).toEqual([]);
    story.change('a', { conditions: [condition('Ready', 'True')], bootId: 'boot-2' });
    expect(kinds(story.pass(62))).toContain('take-back');
    story.tell({ kind: 'taken-back', node: 'a', problem: undefined });
    expect(planOf(story.state, story.now).verdicts).toEqual([]);
    // The back-off counts, though it is nowhere.
    story.change('a', deadlock);
    story.pass(61);
    expect(planOf(story.state, story.now).verdicts).toMatchObject([{ kind: 'refused', brake: 'back-off' }]);
  });
});

describe('only what it saw itself counts', () => {
  test('nothing is done by one that is not active; what ran is cancelled when it ceases to be', () => {
    const story = begun();
    story.pass(1);
    expect(kinds(story.tell({ kind: 'active', active: false }))).toEqual(['cancel']);
    expect(kinds(story.pass(100))).toEqual([]);
    expect(controller.wakeAt(story.state)).toBe(Number.POSITIVE_INFINITY);
  });

  test('until nodes and heartbeats are known it waits, a second at a time', () => {
    const state = createController({ config: { policy: policy(), rules: [SILENT], dryRun: false }, now: 0, wallMs: WALL_MS });
    controller.step(state, { kind: 'active', active: true }, 0);
    controller.step(state, { kind: 'tick', wallMs: WALL_MS }, 0);
    expect(controller.wakeAt(state)).toBe(1000);
    controller.step(state, { kind: 'nodes', items: [node('a')] }, 10);
    controller.step(state, { kind: 'tick', wallMs: WALL_MS }, 60);
    expect(controller.wakeAt(state)).toBe(1060);
  });

  test('whoever takes over goes on at the step that is written, after it has looked for twenty seconds', () => {
    const story = new Story([
      node('a', { ...deadlock, ...under({ rule: 'deadlock', steps: ['cordon', 'drain', 'reboot'], step: 1 }) }),
      ...healthy,
    ]);
    expect(kinds(story.pass(19))).toEqual([]);
    expect(runs(story.pass(2))).toMatchObject([{ step: 'drain' }]);
  });

  test('a signal counts from when this one saw it', () => {
    const story = new Story([node('a', deadlock), ...healthy]);
    story.pass(50);
    story.tell({ kind: 'active', active: false });
    story.pass(50);
    story.activate();
    expect(kinds(story.pass(59))).toEqual([]);
    expect(kinds(story.pass(2))).toEqual(['write']);
  });

  test('after a time without the API everything counts anew', () => {
    const story = new Story([node('a', deadlock), ...healthy]);
    story.pass(40);
    story.tell({ kind: 'api', path: 'nodes', problem: 'cannot be watched' });
    story.pass(30);
    expect(planOf(story.state, story.now).brake).toMatchObject({ brake: 'api-degraded' });
    story.tell({ kind: 'api', path: 'nodes', problem: undefined });
    expect(kinds(story.pass(60))).toEqual([]);
    expect(kinds(story.pass(2))).toEqual(['write']);
  });

  test('a watch that is taken up again at once is none', () => {
    const story = new Story([node('a', deadlock), ...healthy]);
    story.pass(40);
    story.tell({ kind: 'api', path: 'nodes', problem: 'cannot be watched' });
    story.pass(4);
    story.tell({ kind: 'api', path: 'nodes', problem: undefined });
    expect(kinds(story.pass(18))).toEqual(['write']);
  });

  test('nor did it see anything while its own host stood still: the news of that time come one after the other', () => {
    const story = new Story([node('a'), ...healthy]);
    story.pass(30);
    story.now += 60_000;
    // Those of all but one are there already.
    for (const name of ['h1', 'h2', 'h3', 'h4']) story.tell({ kind: 'heartbeat', item: { node: name, renewedAtMs: story.now } });
    story.tell({ kind: 'tick', wallMs: WALL_MS + story.now });
    expect(kinds(story.outputs)).toEqual([]);
    expect(planOf(story.state, story.now)).toMatchObject({ healthy: 5, brake: { brake: 'settling' } });
  });

  test('after too few nodes were healthy those that come back last are given the time to', () => {
    const story = new Story([node('a'), ...healthy]);
    for (const name of ['a', 'h1', 'h2', 'h3']) story.silent.add(name);
    story.pass(100);
    expect(planOf(story.state, story.now).brake).toMatchObject({ brake: 'half-unhealthy' });
    for (const name of ['h1', 'h2', 'h3']) story.silent.delete(name);
    expect(kinds(story.pass(45))).toEqual([]);
    // It does not come back.
    expect(kinds(story.pass(6))).toEqual(['write']);
  });

  test('another node of the same name is another node', () => {
    const story = new Story([node('a', deadlock), ...healthy]);
    story.silent.add('a');
    story.pass(30);
    story.nodes.set('a', node('a', { ...deadlock, uid: 'second', version: '2000' }));
    story.tell({ kind: 'nodes', items: [...story.nodes.values()] });
    expect(kinds(story.pass(39))).toEqual([]);
    expect(kinds(story.pass(2))).toEqual(['write']);
  });

  test('an older version on the watch is not believed after a newer answer, but a list is: etcd may have been restored', () => {
    const story = begun();
    const old = node('a', deadlock);
    story.tell({ kind: 'node', item: old });
    expect(remedyOf(story.state.seen.get('a')?.facts as NodeFacts)).toBeDefined();
    story.tell({ kind: 'nodes', items: [{ ...old, version: '7' }, ...healthy] });
    expect(remedyOf(story.state.seen.get('a')?.facts as NodeFacts)).toBeUndefined();
  });

  test('a node that is gone is forgotten, and what ran there is cancelled', () => {
    const story = begun();
    story.pass(1);
    expect(kinds(story.tell({ kind: 'node-gone', name: 'a' }))).toEqual(['cancel']);
    expect(kinds(story.pass(5))).toEqual([]);
  });
});

test('etcd is asked while a control-plane host is at stake, and an answer does not count for ever', () => {
  const cps = ['cp1', 'cp2', 'cp3'].map((name) => controlPlane(name, name === 'cp1' ? deadlock : {}));
  const story = new Story([...cps, ...healthy]);
  expect(kinds(story.pass(59))).toEqual([]);
  expect(kinds(story.pass(12))).toEqual(['look-at-etcd', 'look-at-etcd', 'look-at-etcd']);
  story.tell({ kind: 'etcd', look: { kind: 'unknown', reason: 'no answer' } });
  expect(planOf(story.state, story.now).verdicts).toMatchObject([{ kind: 'refused', text: expect.stringContaining('no answer') }]);
  story.pass(16);
  expect(planOf(story.state, story.now).verdicts).toMatchObject([{ kind: 'refused', text: expect.stringContaining('not asked yet') }]);
});

test('only news is told', () => {
  const story = new Story([node('a', deadlock), ...healthy], { policy: { paused: true } });
  const told = () => story.outputs.flatMap((output) => (output.kind === 'tell' ? [output.verdict.kind] : []));
  story.pass(120);
  expect(told()).toEqual(['suspected', 'refused']);
  story.change('a', { conditions: [condition('Ready', 'True')] });
  story.pass(5);
  story.change('a', deadlock);
  story.pass(5);
  expect(told()).toEqual(['suspected', 'refused', 'suspected']);
});

test('a policy that changes keeps what was seen of its signals', () => {
  const story = new Story([node('a', deadlock), ...healthy]);
  story.pass(50);
  const longer: HealRule = { ...DEADLOCK, when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 55 }] };
  story.tell({ kind: 'policy', config: { policy: policy(), rules: [longer], dryRun: false } });
  expect(kinds(story.pass(6))).toEqual(['write']);
});

test('the remedy keeps the steps with which it began', () => {
  const story = begun();
  story.tell({ kind: 'policy', config: { policy: policy(), rules: [{ ...DEADLOCK, steps: ['replace'] }], dryRun: false } });
  const written: RemedyRecord = record({ rule: 'deadlock', steps: ['cordon', 'drain', 'reboot'] });
  expect(runs(story.pass(1))).toMatchObject([{ step: written.steps[0] }]);
});
