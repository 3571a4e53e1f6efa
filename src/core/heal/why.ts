import { budgetText } from './drain/drain.ts';
import { fateOf, forbiddenText } from './drain/sort.ts';
import type { BudgetFacts, PodFacts } from './facts.ts';
import { podKey, selects } from './facts.ts';

/** What keeps a Pod on a node that is to be drained. */
export interface Blocker {
  /** `namespace/name`. */
  pod: string;
  /** `ReplicaSet web-7d9`; empty where nobody owns it. */
  owner: string;
  kind: 'unmanaged' | 'empty-dir' | 'budget' | 'budget-never' | 'capacity' | 'two-budgets' | 'ending' | 'finalizer' | 'silent-kubelet';
  text: string;
  remedy: string;
}

export interface WhyLook {
  node: string;
  /** Whether its kubelet gives no sign. */
  isSilent: boolean;
  /** Of all nodes: what a budget waits for is often elsewhere. */
  pods: readonly PodFacts[];
  budgets: readonly BudgetFacts[];
  /** Unix time. */
  wallMs: number;
}

/** A grace period that has passed by so much is not on its way any more. */
const LATE_MS = 30_000;

/** What blocks a drain of the node, Pod by Pod, and the way out of each; nothing when nothing does. */
export function whatBlocks(look: WhyLook): Blocker[] {
  return look.pods.filter(({ node }) => node === look.node).flatMap((pod) => blockerOf(pod, look) ?? []);
}

const KEEP = { unmanagedPods: 'keep', emptyDirPods: 'keep' } as const;

function blockerOf(pod: PodFacts, look: WhyLook): Blocker | undefined {
  const about = { pod: podKey(pod), owner: pod.owner === null ? '' : `${pod.owner.kind} ${pod.owner.name}` };
  if (pod.deletionAtMs !== null) {
    const ending = endingBlocker(pod, look);
    return ending && { ...about, ...ending };
  }
  const fate = fateOf(pod, KEEP);
  if (fate.kind === 'leave') return undefined;
  if (fate.kind === 'forbidden') {
    const remedy =
      fate.why === 'unmanaged'
        ? 'say --force (heal.drain.unmanagedPods: delete)'
        : 'say --delete-emptydir-data (heal.drain.emptyDirPods: delete)';
    return { ...about, kind: fate.why, text: forbiddenText(pod, fate.why), remedy };
  }
  const over = look.budgets.filter((budget) => budget.namespace === pod.namespace && selects(budget.selector, pod.labels));
  const budget = pod.phase === 'Running' ? budgetBlocker(pod, over, look) : undefined;
  return budget && { ...about, ...budget };
}

type Found = Pick<Blocker, 'kind' | 'text' | 'remedy'>;

function endingBlocker({ deletionAtMs, finalizers }: PodFacts, { isSilent, wallMs }: WhyLook): Found | undefined {
  if (finalizers.length > 0) {
    return {
      kind: 'finalizer',
      text: `waits for ${finalizers.join(', ')} to be removed`,
      remedy: 'ask whoever set the finalizer; it stays until that is done',
    };
  }
  if (isSilent) {
    const remedy = 'switch the host off, then taint it: kubectl taint node NODE node.kubernetes.io/out-of-service=nodeshutdown:NoExecute';
    return { kind: 'silent-kubelet', text: 'its end is asked for, and the kubelet, which would confirm it, does not answer', remedy };
  }
  const lateMs = wallMs - (deletionAtMs as number);
  if (lateMs < LATE_MS) return undefined;
  return {
    kind: 'ending',
    text: `was to be gone ${Math.round(lateMs / 1000)} s ago`,
    remedy: "see the kubelet's log on the node: a volume or a process keeps it",
  };
}

function budgetBlocker(pod: PodFacts, over: readonly BudgetFacts[], look: WhyLook): Found | undefined {
  const [first, second] = over;
  if (first === undefined) return undefined;
  if (second !== undefined) {
    const names = over.map(podKey).join(', ');
    return {
      kind: 'two-budgets',
      text: `is under ${over.length} budgets (${names}): the eviction API refuses that`,
      remedy: 'leave one of them',
    };
  }
  if (first.disruptionsAllowed > 0 || (!pod.isReady && first.unhealthyPods === 'AlwaysAllow')) return undefined;
  const text = budgetText(first);
  if (first.desiredHealthy >= first.expectedPods) {
    const remedy = `it never allows one: of ${first.expectedPods} Pods ${first.desiredHealthy} must be healthy; run more replicas, or lower minAvailable of ${podKey(first)}`;
    return { kind: 'budget-never', text, remedy };
  }
  const unwell = look.pods.filter(
    (other) => other.namespace === first.namespace && !other.isReady && selects(first.selector, other.labels),
  );
  const homeless = unwell.find(({ unschedulable }) => unschedulable !== null);
  if (homeless !== undefined) {
    const remedy = 'add a node, or free capacity; the drain goes on by itself then';
    return { kind: 'capacity', text: `${text}; ${podKey(homeless)} finds no node: ${homeless.unschedulable}`, remedy };
  }
  const sick = unwell.map((other) => `${podKey(other)}${other.node === '' ? '' : ` on ${other.node}`}`);
  const waits = sick.length === 0 ? '' : `; not ready: ${sick.slice(0, 3).join(', ')}`;
  return { kind: 'budget', text: `${text}${waits}`, remedy: 'wait until these are ready, or see why they are not: kubectl describe pod' };
}
