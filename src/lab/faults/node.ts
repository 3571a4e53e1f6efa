/** Faults of nodes: what the control plane no longer hears from them. As data: what happens to a node is in its state (nodes/state.ts). */
import { rmSync } from 'node:fs';
import { HaleError } from '../../base/error.ts';
import type { Lab } from '../lab.ts';
import { workerNodes } from '../nodes/plan.ts';
import { nodeStates } from '../nodes/power.ts';
import type { Ailment } from '../nodes/state.ts';
import type { ProcessIdentity } from '../process.ts';
import type { BoundEffects } from './effects.ts';
import { startHarm } from './harm.ts';

interface NodeFaultKind {
  /** What is named: a worker node, a zone, or nothing. */
  strikes: 'node' | 'zone' | 'half';
  ailment: Ailment;
  /** It comes and goes instead of lasting. */
  flaps?: { awaySeconds: number; backSeconds: number };
}

/** Away for longer than the 50 s after which the controller manager calls a node unreachable, and back for longer than a kubelet needs to say that it is there. */
const FLAP = { awaySeconds: 65, backSeconds: 20 };

export const NODE_FAULTS = {
  /** The node stands still: no heartbeat, and its Pods neither end nor change. A power cycle puts it right. */
  'node-dead': { strikes: 'node', ailment: 'hung' },
  /** The same, but switching it off and on does not help. */
  'node-broken': { strikes: 'node', ailment: 'broken' },
  /** The control plane and the node lose each other again and again. */
  'node-flapping': { strikes: 'node', ailment: 'cut', flaps: FLAP },
  /** A zone without power: its nodes are gone, and nobody answers for their power. */
  'zone-dead': { strikes: 'zone', ailment: 'unpowered' },
  /** Half of the workers, as many in every zone, run on and are not heard. */
  'half-the-nodes-unreachable': { strikes: 'half', ailment: 'cut' },
} as const satisfies Record<string, NodeFaultKind>;

export type NodeFault = keyof typeof NODE_FAULTS;

/** What stands for the target of a fault that needs none. */
export const ALL_NODES = 'nodes';

const FLAPPING = 'while :; do sleep "$2"; mv "$1" "$1.away"; sleep "$3"; mv "$1.away" "$1"; done';

/** Throws HaleError `lab_fault_target_invalid`. */
export function bindNodeFault(lab: Lab, { fault, target }: { fault: NodeFault; target: string }): BoundEffects {
  const kind: NodeFaultKind = NODE_FAULTS[fault];
  const states = nodeStates(lab);
  const nodes = struckBy(lab, { fault, strikes: kind.strikes, target });
  const id = `${fault}-${target}`;
  return {
    target,
    struck: () => nodes,
    apply: ({ forMs }): ProcessIdentity | void => {
      states.afflict(id, { ailment: kind.ailment, nodes });
      if (kind.flaps === undefined) return undefined;
      const { awaySeconds, backSeconds } = kind.flaps;
      return startHarm(lab, {
        argv: ['sh', '-c', FLAPPING, 'hale-lab-flap', states.path(id), String(awaySeconds), String(backSeconds)],
        forMs,
      });
    },
    undo: () => {
      states.relieve(id);
      rmSync(`${states.path(id)}.away`, { force: true });
    },
  };
}

/** One of two in every zone. */
function halfOf<T>(workers: readonly T[], zones: number): T[] {
  const isFirst = (i: number) => Math.floor(i / zones) % 2 === 0;
  const ordered = [...workers.filter((_, i) => isFirst(i)), ...workers.filter((_, i) => !isFirst(i))];
  return ordered.slice(0, Math.floor(workers.length / 2));
}

function struckBy(
  { plan }: Lab,
  { fault, strikes, target }: { fault: NodeFault; strikes: NodeFaultKind['strikes']; target: string },
): string[] {
  const workers = plan.nodes === undefined ? [] : workerNodes(plan.nodes, plan.families);
  const struck = {
    node: () => workers.filter(({ name }) => name === target),
    zone: () => workers.filter(({ zone }) => zone === target),
    half: () => halfOf(workers, plan.nodes?.zones.length ?? 1),
  }[strikes]();
  if (struck.length > 0) return struck.map(({ name }) => name);
  const [first] = workers;
  const examples = { node: first?.name, zone: plan.nodes?.zones.join(', '), half: ALL_NODES };
  throw new HaleError({
    code: 'lab_fault_target_invalid',
    kind: 'usage',
    message: `fault ${fault} needs ${strikes === 'zone' ? 'a zone with worker nodes' : 'a worker node'}, not ${JSON.stringify(target)}`,
    remedy: first === undefined ? 'make the lab with nodes: hale lab up --nodes 20' : `for example: ${examples[strikes]}`,
  });
}
