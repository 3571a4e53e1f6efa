import { HaleError } from '../../base/error.ts';
import type { HostPlan, LabFamilies } from '../plan.ts';
import type { Kwok } from './kwok.ts';

/** The nodes of a lab: Node objects whose kubelets kwok stands in for. */
export interface NodesPlan {
  /** Worker nodes; each control-plane host is a node besides. */
  count: number;
  zones: readonly string[];
  kwok: Kwok;
  /** The host in which kwok stands in for the kubelets of the workers: one of its own, so that no fault of a control-plane host touches it. */
  host: HostPlan;
}

/** A machine that is a node. */
export interface NodePlan {
  name: string;
  role: 'worker' | 'control-plane';
  zone: string;
  /** InternalIP; IPv4 first. Those of workers are nobody's on the lab's network. */
  addresses: readonly string[];
}

export const NODES_MAX = 1000;
const ZONES_MAX = 26;
export const ZONES_DEFAULT = 3;
/** kube-controller-manager gives each node a /24, or a /64, of the Pods' subnet: this is how many the usual one has. */
const USUAL_SUBNET_NODES = 256;

export interface NodesWish {
  count: number;
  /** `a`, `b`, `c` … */
  zones?: number;
}

/** Throws HaleError `lab_nodes_invalid`. */
export function planNodes({ count, zones = ZONES_DEFAULT }: NodesWish, parts: Pick<NodesPlan, 'kwok' | 'host'>): NodesPlan {
  return { count, zones: Array.from({ length: zones }, (_, i) => String.fromCodePoint('a'.charCodeAt(0) + i)), ...parts };
}

export function requireNodesWish({ count, zones = ZONES_DEFAULT }: NodesWish): void {
  if (Number.isInteger(count) && count >= 0 && count <= NODES_MAX && Number.isInteger(zones) && zones >= 1 && zones <= ZONES_MAX) return;
  throw new HaleError({
    code: 'lab_nodes_invalid',
    kind: 'usage',
    message: `${count} nodes in ${zones} zones are not what a lab can have`,
    remedy: `ask for 0 to ${NODES_MAX} nodes in 1 to ${ZONES_MAX} zones`,
  });
}

/** The workers, spread over the zones: `node-1` in the first, `node-2` in the second. */
export function workerNodes(nodes: Pick<NodesPlan, 'count' | 'zones'>, families: LabFamilies): NodePlan[] {
  return Array.from({ length: nodes.count }, (_, i) => ({
    name: `node-${i + 1}`,
    role: 'worker' as const,
    zone: nodes.zones[i % nodes.zones.length] as string,
    addresses: [
      ...(families.includes('4') ? [`10.67.${(i + 1) >> 8}.${(i + 1) & 255}`] : []),
      ...(families.includes('6') ? [`fd69::${(i + 1).toString(16)}`] : []),
    ],
  }));
}

/** A control-plane host as a node. */
export function controlPlaneNode({ name, addresses, zone = '' }: HostPlan): NodePlan {
  return { name, role: 'control-plane', zone, addresses };
}

/** Whether they need a larger subnet of Pods than the usual one. */
export function areMany(nodes: Pick<NodesPlan, 'count'>, hosts: number): boolean {
  return nodes.count + hosts > USUAL_SUBNET_NODES;
}
