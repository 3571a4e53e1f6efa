import { expect, test } from 'vitest';
import { type Brake, BRAKES, type Busy, clusterBrake, nodeBrake, type Situation } from '../../../src/core/heal/brakes.ts';
import type { NodeFacts } from '../../../src/core/heal/facts.ts';
import { encodeHistory, HISTORY, MAINTENANCE } from '../../../src/core/heal/record.ts';
import { controlPlane, DEADLOCK, etcd, node, policy, under, WALL_MS } from './facts.ts';

const HOUR_MS = 3_600_000;
const nodes = (count: number) => Array.from({ length: count }, (_, i) => node(`n${i + 1}`));
const names = (count: number) => new Set(nodes(count).map(({ name }) => name));

const situation = (over: Partial<Situation> = {}): Situation => ({
  policy: policy(),
  wallMs: WALL_MS,
  paused: undefined,
  degraded: undefined,
  settlingMs: 0,
  nodes: nodes(4),
  healthy: names(4),
  etcd: undefined,
  ...over,
});

const noneBusy = (): Busy => ({ nodes: [], begunWithinHour: 0 });

function refusal(facts: NodeFacts, over: { situation?: Partial<Situation>; busy?: Busy; rule?: typeof DEADLOCK } = {}) {
  const { busy = noneBusy(), rule = DEADLOCK } = over;
  return nodeBrake(facts, { rule, situation: situation(over.situation), busy });
}

const cps = ['cp1', 'cp2', 'cp3'].map((name) => controlPlane(name));
const quorate = { kind: 'seen', view: etcd(['cp1', 'cp2', 'cp3']), operation: undefined } as const;

/** What brings each brake about, and words that its text has. */
const cases: Record<Brake, { text: string; refused: () => ReturnType<typeof clusterBrake> }[]> = {
  paused: [
    { text: '`paused` of the policy is true', refused: () => clusterBrake(situation({ policy: policy({ paused: true }) })) },
    { text: 'paused by ann: new switches', refused: () => clusterBrake(situation({ paused: 'ann: new switches' })) },
  ],
  'api-degraded': [{ text: 'cannot be watched', refused: () => clusterBrake(situation({ degraded: 'nodes cannot be watched' })) }],
  settling: [{ text: 'too short a time; 4 s more', refused: () => clusterBrake(situation({ settlingMs: 3001 })) }],
  'half-unhealthy': [
    {
      text: '1 of 2 worker nodes are healthy',
      refused: () => clusterBrake(situation({ nodes: [...cps, ...nodes(2)], healthy: new Set(['cp1', 'cp2', 'cp3', 'n1']) })),
    },
    { text: '2 of 4 worker nodes are healthy, and at least 51 % must be', refused: () => clusterBrake(situation({ healthy: names(2) })) },
    {
      text: '3 of 4 worker nodes are healthy, and at least 80 % must be',
      refused: () => clusterBrake(situation({ healthy: names(3), policy: policy({ limits: { healthyPercentMin: 80 } }) })),
    },
  ],
  maintenance: [
    { text: 'whoever cordoned it', refused: () => refusal(node('n1', { unschedulable: true })) },
    { text: 'hale node: ann', refused: () => refusal(node('n1', { annotations: { [MAINTENANCE]: 'ann' } })) },
  ],
  'back-off': [
    { text: 'left alone for 5 min more', refused: () => refusal(node('n1', past(300))) },
    // The second one within a day: twice as long.
    { text: 'left alone for 15 min more', refused: () => refusal(node('n1', past(7200, 300))) },
  ],
  window: [
    {
      text: 'rule deadlock begins only in its windows: mon 22:00-02:00 UTC',
      refused: () => refusal(node('n1'), { rule: { ...DEADLOCK, windows: [{ days: ['mon'], from: '22:00', to: '02:00' }] } }),
    },
  ],
  'control-plane': [
    {
      text: 'one control-plane host at a time: cp2 is under work already (rule unreachable)',
      refused: () =>
        refusal(cps[0] as NodeFacts, {
          situation: {
            nodes: [cps[0] as NodeFacts, controlPlane('cp2', { labels: { 'node-role.kubernetes.io/control-plane': '' }, ...under() })],
            etcd: quorate,
          },
        }),
    },
    {
      text: 'cp2 is under work already (whoever cordoned it)',
      refused: () =>
        refusal(cps[0] as NodeFacts, {
          situation: { nodes: [cps[0] as NodeFacts, controlPlane('cp2', { unschedulable: true })], etcd: quorate },
        }),
    },
    {
      text: 'cp2 is under work already (its remedy begins now)',
      refused: () =>
        refusal(cps[0] as NodeFacts, {
          situation: { nodes: cps, etcd: quorate, policy: policy({ limits: { atOnce: 5, atOncePerZone: 5 } }) },
          busy: { nodes: [cps[1] as NodeFacts], begunWithinHour: 1 },
        }),
    },
  ],
  'etcd-maintenance': [
    {
      text: 'an operation on etcd is under way: defrag',
      refused: () => refusal(cps[0] as NodeFacts, { situation: { nodes: cps, etcd: { ...quorate, operation: 'defrag' } } }),
    },
  ],
  'etcd-unknown': [
    { text: 'was not asked yet', refused: () => refusal(cps[0] as NodeFacts, { situation: { nodes: cps } }) },
    {
      text: 'is not known: no answer',
      refused: () => refusal(cps[0] as NodeFacts, { situation: { nodes: cps, etcd: { kind: 'unknown', reason: 'no answer' } } }),
    },
  ],
  'etcd-quorum': [
    {
      text: 'without cp1: 1 of 3 voters of etcd would answer, 2 are needed',
      refused: () =>
        refusal(cps[0] as NodeFacts, {
          situation: { nodes: cps, etcd: { ...quorate, view: etcd(['cp1', 'cp2', 'cp3'], { dead: ['cp3'] }) } },
        }),
    },
  ],
  'at-once': [
    {
      text: 'n2 is under a remedy, and at most 1 may be',
      refused: () => refusal(node('n1'), { busy: { nodes: [node('n2')], begunWithinHour: 1 } }),
    },
    {
      text: 'n1, n2, n3 and 1 more are under a remedy, and at most 4 may be',
      refused: () =>
        refusal(node('n9'), {
          situation: { nodes: nodes(40), policy: policy({ limits: { atOnce: '10%', atOncePerZone: 9 } }) },
          busy: { nodes: nodes(4), begunWithinHour: 0 },
        }),
    },
  ],
  zone: [
    {
      text: 'n2 in zone a is under a remedy, and at most 1 may be',
      refused: () =>
        refusal(inZone('n1', 'a'), {
          situation: { nodes: [inZone('n1', 'a'), inZone('n2', 'a'), inZone('n3', 'b')], policy: policy({ limits: { atOnce: 2 } }) },
          busy: { nodes: [inZone('n2', 'a')], begunWithinHour: 1 },
        }),
    },
    {
      text: 'n2 of those without a zone is under a remedy',
      refused: () =>
        refusal(node('n1'), {
          situation: { policy: policy({ limits: { atOnce: 2 } }) },
          busy: { nodes: [node('n2')], begunWithinHour: 1 },
        }),
    },
  ],
  hourly: [
    {
      text: '6 remedies were begun within the last hour, and at most 6 may be',
      refused: () => refusal(node('n1'), { busy: { nodes: [], begunWithinHour: 6 } }),
    },
  ],
};

function inZone(name: string, zone: string): NodeFacts {
  return node(name, { labels: { 'topology.kubernetes.io/zone': zone } });
}

/** Remedies begun so many seconds ago. */
function past(...seconds: number[]): Pick<NodeFacts, 'annotations'> {
  return { annotations: { [HISTORY]: encodeHistory(seconds.map((ago) => WALL_MS - ago * 1000)) } };
}

test.each(BRAKES)('%s says so, with the facts', (brake) => {
  for (const { text, refused } of cases[brake]) expect(refused()).toEqual({ brake, text: expect.stringContaining(text) });
});

test('without any of them nothing is refused', () => {
  expect(clusterBrake(situation())).toBeUndefined();
  // Exactly as many as must be.
  expect(clusterBrake(situation({ healthy: names(2), policy: policy({ limits: { healthyPercentMin: 50 } }) }))).toBeUndefined();
  expect(refusal(node('n1', past(601)))).toBeUndefined();
  expect(refusal(cps[0] as NodeFacts, { situation: { nodes: cps, etcd: quorate } })).toBeUndefined();
  expect(refusal(cps[0] as NodeFacts, { situation: { nodes: cps, etcd: { kind: 'none' } } })).toBeUndefined();
  // A dead one may be remedied: its member is not counted on.
  const dead = { ...quorate, view: etcd(['cp1', 'cp2', 'cp3'], { dead: ['cp1'] }) };
  expect(refusal(cps[0] as NodeFacts, { situation: { nodes: cps, etcd: dead } })).toBeUndefined();
});

test('the back-off doubles up to a day, and what is older than a day is forgotten', () => {
  const many = past(...Array.from({ length: 10 }, (_, i) => 36_000 - i * 3600));
  expect(refusal(node('n1', many))).toMatchObject({ brake: 'back-off', text: expect.stringContaining('23 h') });
  expect(refusal(node('n1', past(25 * 3600)))).toBeUndefined();
  // A clock that was wrong: a time in the future counts as now, and not for longer than that.
  expect(refusal(node('n1', past(-10 * HOUR_MS)))).toMatchObject({ text: expect.stringContaining('left alone for 10 min more') });
});
