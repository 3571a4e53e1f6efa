/** The drills of nodes as data: what strikes which nodes, how long to watch, and what must hold. */

export type HealingFault =
  | 'node-dead'
  | 'node-flapping'
  | 'zone-dead'
  | 'half-the-nodes-unreachable'
  | 'sick-behind-budget'
  | 'controller-killed'
  | 'control-plane-off'
  | 'etcd-stopped';

export interface HealingExpectation {
  /** Which nodes may be cordoned, drained, tainted or switched: those that were struck, or none. */
  touched: 'struck' | 'none';
  /** From the fault until every Pod of the struck nodes, also of the StatefulSet, has a ready successor elsewhere. Absent: not judged. */
  replacedWithinMs?: number;
  /** Nodes under a remedy at the same time. */
  atOnceMax: number;
  /** Remedies begun. */
  remedies: { min: number; max: number };
  /** At the end every node is ready, schedulable and without a mark. */
  recovered: boolean;
  /** A refusal of this brake must have been told (an Event). */
  brake?: string;
}

export interface HealingScenario {
  name: string;
  /** One sentence for `hale drill list` and the report. */
  description: string;
  fault: HealingFault;
  /** From the fault to its undoing. */
  undoAfterMs: number;
  /** From the fault to the end of observation. */
  observeMs: number;
  expect: HealingExpectation;
}

/** Silence, and what decision, fencing, scheduling and start may take on top. */
const REPLACED = { replacedWithinMs: 90_000 };

export const HEALING_SCENARIOS: readonly HealingScenario[] = [
  {
    name: 'node-dead',
    description:
      'A worker node stands still: its Pods, also those of a StatefulSet, run elsewhere after it was fenced, and it comes back by a power cycle.',
    fault: 'node-dead',
    undoAfterMs: 240_000,
    observeMs: 200_000,
    expect: { touched: 'struck', ...REPLACED, atOnceMax: 1, remedies: { min: 1, max: 1 }, recovered: true },
  },
  {
    name: 'node-flapping',
    description:
      'A worker node is lost for 65 s and back for 20 s, again and again: it gets one remedy, and is then left alone for the back-off.',
    fault: 'node-flapping',
    undoAfterMs: 300_000,
    observeMs: 420_000,
    expect: { touched: 'struck', atOnceMax: 1, remedies: { min: 1, max: 1 }, recovered: true, brake: 'back-off' },
  },
  {
    name: 'zone-dead',
    description:
      'A zone loses its power, and nobody there proves that a host is off: one node at a time is cordoned, no Pod of a StatefulSet is given up, and all are back when the power is.',
    fault: 'zone-dead',
    undoAfterMs: 150_000,
    observeMs: 330_000,
    expect: { touched: 'struck', atOnceMax: 1, remedies: { min: 1, max: 2 }, recovered: true, brake: 'at-once' },
  },
  {
    name: 'half-the-nodes-unreachable',
    description: 'Every second worker runs on and is not heard: nothing is cordoned, drained or switched off.',
    fault: 'half-the-nodes-unreachable',
    undoAfterMs: 120_000,
    observeMs: 210_000,
    expect: { touched: 'none', atOnceMax: 0, remedies: { min: 0, max: 0 }, recovered: true, brake: 'half-unhealthy' },
  },
  {
    name: 'pdb-blocks',
    description:
      'A node reports a kernel deadlock, and a budget that never allows a disruption covers a Pod there: all others leave, that one stays, and the remedy ends at its deadline.',
    fault: 'sick-behind-budget',
    undoAfterMs: 120_000,
    observeMs: 240_000,
    expect: { touched: 'struck', atOnceMax: 1, remedies: { min: 1, max: 1 }, recovered: true },
  },
  {
    name: 'controller-dies-mid-drain',
    description:
      'A node reports a kernel deadlock, and the active controller is killed in the middle of the drain: another one goes on with it.',
    fault: 'controller-killed',
    undoAfterMs: 90_000,
    observeMs: 200_000,
    expect: { touched: 'struck', ...REPLACED, atOnceMax: 1, remedies: { min: 1, max: 1 }, recovered: true },
  },
  {
    name: 'control-plane-node-dead',
    description:
      'A control-plane host is switched off while another one reports a kernel deadlock: the second is left alone, because etcd could not do without it.',
    fault: 'control-plane-off',
    undoAfterMs: 120_000,
    observeMs: 260_000,
    expect: { touched: 'struck', atOnceMax: 1, remedies: { min: 1, max: 1 }, recovered: true },
  },
  {
    name: 'apiserver-degraded',
    description:
      'etcd stops, so that the API servers serve nothing and no node can say that it lives, and comes back: nothing was done to any node, nor is afterwards.',
    fault: 'etcd-stopped',
    undoAfterMs: 90_000,
    observeMs: 200_000,
    expect: { touched: 'none', atOnceMax: 0, remedies: { min: 0, max: 0 }, recovered: true },
  },
];

export function healingScenarioByName(name: string): HealingScenario | undefined {
  return HEALING_SCENARIOS.find((scenario) => scenario.name === name);
}
