import type { Random } from '../../base/random.ts';
import { conditionOf, type NodeFacts, type PodFacts, podKey, selects } from '../../core/heal/facts.ts';
import type { Schedule } from '../schedule.ts';
import { type ApiStore, ownerKey, type StoredBudget } from './store.ts';

export interface Workload {
  kind: 'Deployment' | 'StatefulSet';
  name: string;
  replicas: number;
  minAvailable: number | undefined;
}

const NAMESPACE = 'shop';
/** kube-controller-manager: node-monitor-grace-period, and how long Pods tolerate an unreachable node. */
const GRACE_MS = 50_000;
const TOLERATED_MS = 300_000;
const PODS_A_NODE = 30;
const DISRUPTED_MS = 120_000;
const UNREACHABLE = 'node.kubernetes.io/unreachable';
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** kube-controller-manager and kube-scheduler, as far as nodes and Pods feel them. */
export class SimControlPlane {
  readonly #tools: { schedule: Schedule; random: Random; store: ApiStore; apiAnswers: () => boolean; workloads: readonly Workload[] };
  readonly #byOwner: Map<string, Workload>;
  #dirty: Set<string>;
  #pending = new Set<string>();
  #uid = 0;
  #ticks = 0;

  constructor(tools: { schedule: Schedule; random: Random; store: ApiStore; apiAnswers: () => boolean; workloads: readonly Workload[] }) {
    this.#tools = tools;
    const { store, schedule, workloads } = tools;
    this.#byOwner = new Map(workloads.map((workload) => [ownerOf(workload), workload]));
    this.#dirty = new Set(this.#byOwner.keys());
    for (const { name, minAvailable } of workloads) if (minAvailable !== undefined) store.putBudget(newBudget(name, minAvailable));
    store.listen('pods', ({ type, item }) => {
      this.#dirty.add(ownerKey(item));
      if (type === 'changed' && item.node === '' && item.deletionAtMs === null) this.#pending.add(podKey(item));
    });
    schedule.plan(500, () => this.#tick());
  }

  #tick(): void {
    const { schedule, apiAnswers } = this.#tools;
    schedule.plan(schedule.now + 1000, () => this.#tick());
    this.#ticks += 1;
    if (!apiAnswers()) return;
    if (this.#ticks % 5 === 0) this.#watchNodes();
    if (this.#ticks % 20 === 0) this.#collect();
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const owner of dirty) this.#reconcile(owner);
    if (this.#pending.size > 0) this.#bind();
  }

  #reconcile(owner: string): void {
    const { store } = this.#tools;
    const workload = this.#byOwner.get(owner);
    if (workload === undefined) return;
    const pods = store.ofOwner(owner);
    if (workload.kind === 'Deployment') {
      const alive = pods.filter(({ deletionAtMs }) => deletionAtMs === null).length;
      for (let i = alive; i < workload.replicas; i++) this.#make(workload, `${workload.name}-${++this.#uid}`);
    } else {
      // The next of a name only when the one before is gone.
      const names = new Set(pods.map(({ name }) => name));
      for (let i = 0; i < workload.replicas; i++) if (!names.has(`${workload.name}-${i}`)) this.#make(workload, `${workload.name}-${i}`);
    }
    const budget = store.budgets.get(`${NAMESPACE}/${workload.name}`);
    if (budget !== undefined) this.#judge(budget, store.ofOwner(owner));
  }

  #make(workload: Workload, name: string): void {
    this.#tools.store.putPod({ ...newPod(name, workload), uid: `pod-${++this.#uid}` });
  }

  /** pkg/controller/disruption: healthy are those that are ready, not on their way out, and not promised away. */
  #judge(budget: StoredBudget, pods: readonly PodFacts[]): void {
    const { store, schedule } = this.#tools;
    const mine = pods.filter((pod) => selects(budget.selector, pod.labels));
    const names = new Set(mine.filter(({ deletionAtMs }) => deletionAtMs === null).map(({ name }) => name));
    const disrupted = new Set([...budget.disrupted].filter((name) => names.has(name)));
    const currentHealthy = mine.filter(
      ({ name, isReady, deletionAtMs }) => isReady && deletionAtMs === null && !disrupted.has(name),
    ).length;
    const disruptionsAllowed = Math.max(0, currentHealthy - budget.minAvailable);
    // Promises that nothing came of end by themselves.
    if (disrupted.size > 0) schedule.plan(schedule.now + DISRUPTED_MS, () => this.#forget(budget, disrupted));
    if (
      disruptionsAllowed === budget.disruptionsAllowed &&
      currentHealthy === budget.currentHealthy &&
      disrupted.size === budget.disrupted.size
    )
      return;
    store.putBudget({ ...budget, currentHealthy, disruptionsAllowed, disrupted, expectedPods: mine.length });
  }

  #forget({ namespace, name }: StoredBudget, old: ReadonlySet<string>): void {
    const { store } = this.#tools;
    const budget = store.budgets.get(`${namespace}/${name}`);
    if (budget === undefined || budget.disrupted.size === 0) return;
    store.putBudget({ ...budget, disrupted: new Set([...budget.disrupted].filter((one) => !old.has(one))) });
    for (const [owner, workload] of this.#byOwner) if (workload.name === name) this.#dirty.add(owner);
  }

  #bind(): void {
    const { store, random } = this.#tools;
    const nodes = [...store.nodes.values()].filter((node) => isSchedulable(node) && (store.podsOn.get(node.name)?.size ?? 0) < PODS_A_NODE);
    if (nodes.length === 0) return;
    const pending = this.#pending;
    this.#pending = new Set();
    for (const key of pending) {
      const pod = store.pods.get(key);
      if (pod === undefined || pod.node !== '' || pod.deletionAtMs !== null) continue;
      const [a, b] = [nodes[random.below(nodes.length)], nodes[random.below(nodes.length)]] as [NodeFacts, NodeFacts];
      const size = ({ name }: NodeFacts) => store.podsOn.get(name)?.size ?? 0;
      store.putPod({ ...pod, node: (size(a) <= size(b) ? a : b).name });
    }
  }

  /** pkg/controller/nodelifecycle. */
  #watchNodes(): void {
    const { store, schedule } = this.#tools;
    for (const node of store.nodes.values()) {
      const silentMs = schedule.now - (store.heartbeats.get(node.name)?.renewedAtMs ?? 0);
      const ready = conditionOf(node, 'Ready');
      if (silentMs >= GRACE_MS && ready?.status === 'True') this.#lose(node);
      else if (silentMs < GRACE_MS && ready?.status === 'True' && node.taints.some(({ key }) => key === UNREACHABLE)) {
        store.putNode({ ...node, taints: node.taints.filter(({ key }) => key !== UNREACHABLE) });
      }
      const isGivenUp = node.taints.some(({ key }) => key === OUT_OF_SERVICE);
      if ((ready?.status === 'Unknown' && schedule.now - ready.changedAtMs >= TOLERATED_MS) || isGivenUp) this.#evictAll(node.name);
    }
  }

  #lose(node: NodeFacts): void {
    const { store, schedule } = this.#tools;
    const conditions = node.conditions.map((one) => ({ ...one, status: 'Unknown' as const, changedAtMs: schedule.now }));
    const taint = { key: UNREACHABLE, value: '', effect: 'NoExecute' as const };
    store.putNode({ ...node, conditions, taints: [...node.taints.filter(({ key }) => key !== UNREACHABLE), taint] });
    for (const pod of store.onNode(node.name)) if (pod.isReady) store.putPod({ ...pod, isReady: false });
  }

  #evictAll(name: string): void {
    const { store, schedule } = this.#tools;
    for (const pod of store.onNode(name)) {
      if (pod.deletionAtMs === null && pod.owner?.kind !== 'DaemonSet')
        store.putPod({ ...pod, deletionAtMs: schedule.now + pod.graceSeconds * 1000 });
    }
  }

  /** pkg/controller/podgc: Pods that end on nodes that are out of service and not ready. */
  #collect(): void {
    const { store } = this.#tools;
    for (const node of store.nodes.values()) {
      if (conditionOf(node, 'Ready')?.status === 'True' || !node.taints.some(({ key }) => key === OUT_OF_SERVICE)) continue;
      for (const pod of store.onNode(node.name)) if (pod.deletionAtMs !== null) store.removePod(pod);
    }
  }
}

function isSchedulable(node: NodeFacts): boolean {
  return (
    !node.unschedulable && conditionOf(node, 'Ready')?.status === 'True' && node.taints.every(({ effect }) => effect === 'PreferNoSchedule')
  );
}

function ownerOf({ kind, name }: Workload): string {
  return `${kind === 'Deployment' ? 'ReplicaSet' : kind} ${NAMESPACE}/${name}`;
}

function newPod(name: string, { kind, name: owner }: Workload): Omit<PodFacts, 'uid'> {
  return {
    namespace: NAMESPACE,
    name,
    node: '',
    labels: { app: owner },
    owner: { kind: kind === 'Deployment' ? 'ReplicaSet' : kind, name: owner },
    isMirror: false,
    emptyDirs: [],
    phase: 'Pending',
    isReady: false,
    deletionAtMs: null,
    graceSeconds: 30,
    finalizers: [],
    unschedulable: null,
    requests: { cpuMilli: 100, memoryBytes: 1 },
  };
}

function newBudget(name: string, minAvailable: number): StoredBudget {
  return {
    namespace: NAMESPACE,
    name,
    selector: { matchLabels: { app: name }, matchExpressions: [] },
    disruptionsAllowed: 0,
    currentHealthy: 0,
    desiredHealthy: minAvailable,
    expectedPods: 0,
    unhealthyPods: 'IfHealthyBudget',
    minAvailable,
    disrupted: new Set(),
  };
}

/** One Pod of a DaemonSet on each node. */
export function daemonPod(node: string): PodFacts {
  const base = newPod(`daemon-${node}`, { kind: 'Deployment', name: 'daemon', replicas: 0, minAvailable: undefined });
  return { ...base, uid: `daemon-${node}`, node, owner: { kind: 'DaemonSet', name: 'daemon' } };
}
