import { describe, expect, test } from 'vitest';
import { type HealingRecord, measureHealing, type NodeSample, type PodSample } from '../../../src/core/drill/healing/measure.ts';
import { type HealingScenario, healingScenarioByName } from '../../../src/core/drill/healing/scenario.ts';
import { judgeHealing } from '../../../src/core/drill/healing/verdict.ts';
import { renderHealingReport } from '../../../src/lab/report/healing.ts';
import { bandsOf, readyElsewhere } from '../../../src/lab/report/nodes-chart.ts';

const FAULT_MS = 100_000;

const node = (name: string, afterMs: number, change: Partial<NodeSample> = {}): NodeSample => ({
  atMs: FAULT_MS + afterMs,
  node: name,
  isGone: false,
  isReady: true,
  isCordoned: false,
  isOutOfService: false,
  remedy: null,
  ...change,
});
const pod = (uid: string, afterMs: number, change: Partial<PodSample> = {}): PodSample => ({
  atMs: FAULT_MS + afterMs,
  uid,
  pod: `drill/${uid}`,
  owner: 'drill/app-1',
  node: 'node-2',
  isReady: true,
  isGone: false,
  ...change,
});
const remedy = { rule: 'unreachable', startedAtMs: 1, state: 'working' };

/** node-1 dies, is remedied after 40 s and back after 60 s; its one Pod of two is anew on node-2 after 45 s. */
function deadNode(change: Partial<HealingRecord> = {}): HealingRecord {
  return {
    faultAtMs: FAULT_MS,
    undoneAtMs: FAULT_MS + 70_000,
    endAtMs: FAULT_MS + 80_000,
    struck: ['node-1'],
    nodes: [
      node('node-1', -9000),
      node('node-2', -9000),
      node('node-1', 40_000, { isCordoned: true, remedy }),
      node('node-1', 42_000, { isReady: false, isCordoned: true, isOutOfService: true, remedy }),
      node('node-1', 50_000, { isCordoned: true, isOutOfService: true, remedy }),
      node('node-1', 60_000),
    ],
    pods: [
      pod('a', -9000),
      pod('b', -9000, { node: 'node-1' }),
      pod('b', 42_000, { node: 'node-1', isGone: true }),
      pod('c', 43_000, { isReady: false }),
      pod('c', 45_000),
    ],
    replicas: { 'drill/app-1': 2 },
    events: [
      { atMs: FAULT_MS + 30_000, node: 'node-1', reason: 'RemedyRefused', note: 'refused: settling; <b>' },
      { atMs: FAULT_MS + 31_000, node: 'node-1', reason: 'RemedyRefused', note: 'refused: settling; <b>' },
      { atMs: FAULT_MS + 40_000, node: 'node-1', reason: 'RemedyBegun', note: 'rule unreachable' },
    ],
    violations: [],
    gaps: 0,
    ...change,
  };
}

const scenario = healingScenarioByName('node-dead') as HealingScenario;
const verdictOf = (record: HealingRecord, of: HealingScenario = scenario) => judgeHealing(of, measureHealing(record), record.struck);

describe('a drill of nodes', () => {
  test('is measured by what was seen', () => {
    expect(measureHealing(deadNode())).toEqual({
      touched: ['node-1'],
      atOnce: 1,
      remedies: 1,
      replacedMs: { 'drill/app-1': 45_000 },
      recoveredMs: 60_000,
      brakes: ['settling'],
      violations: [],
      gaps: 0,
    });
    expect(verdictOf(deadNode())).toEqual({ verdict: 'pass', reasons: [] });
  });

  test.each<[string, Partial<HealingRecord>, string]>([
    ['a node that was not struck is touched', { struck: ['node-2'] }, 'node-1 was touched; only the struck nodes were to be'],
    ['a Pod is not made anew elsewhere', { pods: deadNode().pods.slice(0, 4) }, 'drill/app-1 was never whole again elsewhere'],
    ['the node stays cordoned', { nodes: deadNode().nodes.slice(0, 5) }, 'at the end not every node was ready'],
    ['nothing is done', { nodes: deadNode().nodes.slice(0, 2) }, '0 remedies were begun; 1 were expected'],
    ['a budget is violated', { violations: ['drill/app-1: 0 of 1 healthy'] }, 'a budget was violated: drill/app-1: 0 of 1 healthy'],
  ])('fails when %s', (_, change, reason) => {
    const { verdict, reasons } = verdictOf(deadNode(change));
    expect(verdict).toBe('fail');
    expect(reasons.join('\n')).toContain(reason);
  });

  test('fails when two nodes are under a remedy at once, and when no Event tells of the brake', () => {
    const both = deadNode({ nodes: [...deadNode().nodes.slice(0, 4), node('node-2', 43_000, { remedy: { ...remedy, startedAtMs: 2 } })] });
    expect(verdictOf(both).reasons.join('\n')).toContain('2 nodes were under a remedy at once; at most 1 were allowed');
    const flapping = healingScenarioByName('node-flapping') as HealingScenario;
    expect(verdictOf(deadNode(), flapping).reasons.join('\n')).toContain(
      'no Event told of the brake back-off; those that were told: settling',
    );
  });

  test('is void, and never a pass, when a watch lost something', () => {
    expect(verdictOf(deadNode({ gaps: 2 }))).toEqual({
      verdict: 'void',
      reasons: ['a watch lost what happened between two looks, 2 times'],
    });
    expect(verdictOf(deadNode({ gaps: 2, violations: ['x'] })).verdict).toBe('fail');
  });
});

describe('its report', () => {
  test('shows what each node went through, and how many Pods were ready elsewhere', () => {
    expect(bandsOf(deadNode())).toEqual([
      { node: 'node-1', kind: 'cordoned', fromMs: 40_000, toMs: 42_000 },
      { node: 'node-1', kind: 'not-ready', fromMs: 42_000, toMs: 50_000 },
      { node: 'node-1', kind: 'out-of-service', fromMs: 42_000, toMs: 60_000 },
      { node: 'node-1', kind: 'remedy', fromMs: 40_000, toMs: 60_000 },
    ]);
    expect(bandsOf(deadNode({ nodes: deadNode().nodes.slice(0, 5) }))).toContainEqual({
      node: 'node-1',
      kind: 'remedy',
      fromMs: 40_000,
      toMs: 80_000,
    });
    expect(readyElsewhere(deadNode())).toEqual([
      [-9000, 1],
      [45_000, 2],
    ]);
  });

  test('says every number, each Event once, and nothing of it is read as HTML', () => {
    const record = deadNode({ gaps: 1 });
    const result = {
      scenario: 'node-dead',
      nodes: '2 worker nodes: kwok <stands> in',
      startedAt: '2026-01-01T00:00:00Z',
      measurement: measureHealing(record),
      ...verdictOf(record),
    };
    const html = renderHealingReport({ title: 'Drill report: node-dead', facts: [['Lab', '3 <hosts>']], result, record });
    const text = html
      .replaceAll(/<(svg|style)[^]*?<\/\1>/g, '')
      .replaceAll(/<[^>]+>/g, ' ')
      .replaceAll(/\s+/g, ' ');
    for (const said of [
      'VOID',
      'a watch lost what happened between two looks, once',
      'Pods whole elsewhere 45 s',
      'All nodes well 60 s',
      'Remedies 1 at most 1 at once',
      'Brakes told settling',
      'drill/app-1 45 s',
      '30 s node-1 RemedyRefused refused: settling; &lt;b&gt; 40 s node-1 RemedyBegun rule unreachable',
      '3 &lt;hosts&gt;',
      'kwok &lt;stands&gt; in',
    ]) {
      expect(text).toContain(said);
    }
    expect(html).not.toContain('<b>');
    expect(html).toMatch(/<svg[^>]*role="img"/);
  });
});
