/** What healing and draining know of Nodes, Pods and PodDisruptionBudgets: the parts of the API's objects that they look at. */

/** kubernetes.io, "Node v1". */
export interface NodeFacts {
  name: string;
  uid: string;
  /** `metadata.resourceVersion`: what a change that must not undo another's names. */
  version: string;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  unschedulable: boolean;
  taints: readonly Taint[];
  conditions: readonly NodeCondition[];
  /** Changes with every boot of the host. */
  bootId: string;
  internalIp: string | null;
}

export interface Taint {
  key: string;
  value: string;
  effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
  /** RFC 3339, as Kubernetes notes it for some: kept, for whoever writes the list back. */
  timeAdded?: string;
}

export type ConditionStatus = 'True' | 'False' | 'Unknown';

export interface NodeCondition {
  type: string;
  status: ConditionStatus;
  reason: string;
  message: string;
  /** Unix time in ms, by the clock of whoever wrote it. */
  changedAtMs: number;
}

/** A Lease in kube-node-lease: the node's kubelet renews it every ten seconds. */
export interface Heartbeat {
  node: string;
  /** Unix time in ms, by the node's clock: only its change counts. */
  renewedAtMs: number;
}

/** kubernetes.io, "Pod v1". */
export interface PodFacts {
  namespace: string;
  name: string;
  uid: string;
  /** Empty until it is scheduled. */
  node: string;
  labels: Readonly<Record<string, string>>;
  /** The controller that makes another one; null where nobody does. */
  owner: { kind: string; name: string } | null;
  /** Run by its kubelet from a file; the API shows it and cannot end it. */
  isMirror: boolean;
  /** Volumes of type emptyDir, whose data ends with the Pod. */
  emptyDirs: readonly string[];
  phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  isReady: boolean;
  /** Somebody has asked for its end: Unix time in ms by which that is to be over; null when nobody has. */
  deletionAtMs: number | null;
  /** `terminationGracePeriodSeconds`. */
  graceSeconds: number;
  finalizers: readonly string[];
  /** Why the scheduler finds no node for it, in its words; null when it has one or was not looked at. */
  unschedulable: string | null;
  requests: { cpuMilli: number; memoryBytes: number };
}

/** kubernetes.io, "PodDisruptionBudget v1 policy". */
export interface BudgetFacts {
  namespace: string;
  name: string;
  selector: LabelSelector;
  disruptionsAllowed: number;
  currentHealthy: number;
  desiredHealthy: number;
  expectedPods: number;
  /** What of Pods that are not ready: evicted only while the budget is kept (the default), or always. */
  unhealthyPods: 'IfHealthyBudget' | 'AlwaysAllow';
}

/** kubernetes.io, "Label selectors". An empty one selects everything. */
export interface LabelSelector {
  matchLabels: Readonly<Record<string, string>>;
  matchExpressions: readonly { key: string; operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'; values: readonly string[] }[];
}

export type Labels = Readonly<Record<string, string>>;

export function selects({ matchLabels, matchExpressions }: LabelSelector, labels: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      // apimachinery, pkg/labels: NotIn holds where the key is missing.
      return operator === 'In' ? value !== undefined && values.includes(value) : value === undefined || !values.includes(value);
    })
  );
}

/** `namespace/name`, as kubectl prints Pods and budgets. */
export function podKey({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

export function conditionOf({ conditions }: Pick<NodeFacts, 'conditions'>, type: string): NodeCondition | undefined {
  return conditions.find((condition) => condition.type === type);
}

/** kubernetes.io, "Well-Known Labels": both names of the role. */
const CONTROL_PLANE_LABELS = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

export function isControlPlane({ labels }: Pick<NodeFacts, 'labels'>): boolean {
  return CONTROL_PLANE_LABELS.some((label) => labels[label] !== undefined);
}

/** Empty where the node is in none. */
export function zoneOf({ labels }: Pick<NodeFacts, 'labels'>): string {
  return labels['topology.kubernetes.io/zone'] ?? '';
}
