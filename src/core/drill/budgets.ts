/**
 * Whether PodDisruptionBudgets were kept, from the events of Pods and budgets alone: what evicts Pods has no part in it. A Pod counts as the disruption
 * controller counts it: ready, and nobody has asked for its end (k8s.io/kubernetes, pkg/controller/disruption).
 */
import { type Labels, type LabelSelector, selects } from '../heal/facts.ts';

export interface WatchedPod {
  namespace: string;
  name: string;
  uid: string;
  node: string;
  labels: Labels;
  isReady: boolean;
  /** Somebody has asked for its end. */
  isDeleted: boolean;
  /** Reason of its condition DisruptionTarget, such as EvictionByEvictionAPI; null when it has none (kubernetes.io, "Disruptions", Pod disruption conditions). */
  disruption: string | null;
}

export interface WatchedBudget {
  namespace: string;
  name: string;
  selector: LabelSelector;
  /** One of both: a number of Pods or a percentage such as `50%`. */
  minAvailable: number | string | null;
  maxUnavailable: number | string | null;
  /** How many Pods their controllers want; undefined until the disruption controller has counted. */
  expectedPods: number | undefined;
}

/**
 * `eviction`: the eviction API. `deletion`: somebody deleted it, past its budget. `disruption`: Kubernetes itself, because of its node (taints, Pod garbage
 * collection, preemption). `unready`: it is there and not ready.
 */
export type LossCause = 'eviction' | 'deletion' | 'disruption' | 'unready';

/** A Pod was lost of which the budget had none to spare. */
export interface BudgetViolation {
  atMs: number;
  /** `namespace/name`. */
  budget: string;
  pod: string;
  node: string;
  cause: LossCause;
  /** Whether somebody chose it: an eviction or a deletion. */
  isVoluntary: boolean;
  /** After the loss. */
  healthy: number;
  desired: number;
}

export interface BudgetRecord {
  budget: string;
  desired: number;
  expected: number;
  /** Ready Pods now. */
  healthy: number;
  /** The fewest against what was desired then, since there were enough for the first time, and when; null while there never were. */
  fewest: { healthy: number; desired: number; atMs: number } | null;
  /** Losses that the budget had to bear, by what caused them. */
  losses: Record<LossCause, number>;
}

export interface BudgetReport {
  budgets: BudgetRecord[];
  violations: BudgetViolation[];
}

interface Book extends Pick<BudgetRecord, 'fewest' | 'losses'> {
  budget: WatchedBudget;
  healthy: Set<string>;
}

type BudgetId = Pick<WatchedBudget, 'namespace' | 'name'>;

const keyOf = ({ namespace, name }: BudgetId): string => `${namespace}/${name}`;
const isHealthy = ({ isReady, isDeleted }: WatchedPod): boolean => isReady && !isDeleted;

/** Feed it what watches tell, in order and with the time; ask it at any time. */
export class BudgetLedger {
  readonly #books = new Map<string, Book>();
  readonly #pods = new Map<string, WatchedPod>();
  readonly #violations: BudgetViolation[] = [];

  /** All Pods that are there. */
  podsReplaced(pods: readonly WatchedPod[], atMs: number): void {
    const there = new Set(pods.map(({ uid }) => uid));
    for (const pod of this.#pods.values()) if (!there.has(pod.uid)) this.podRemoved(pod, atMs);
    for (const pod of pods) this.#count(pod, atMs);
    for (const book of this.#books.values()) note(book, atMs);
  }

  podChanged(pod: WatchedPod, atMs: number): void {
    this.#count(pod, atMs);
    for (const book of this.#books.values()) note(book, atMs);
  }

  /** `pod` as it was at its end. */
  podRemoved(pod: WatchedPod, atMs: number): void {
    this.#pods.delete(pod.uid);
    for (const book of this.#books.values()) if (book.healthy.delete(pod.uid)) this.#lost(book, { pod, atMs, isGone: true });
  }

  budgetsReplaced(budgets: readonly WatchedBudget[], atMs: number): void {
    const there = new Set(budgets.map(keyOf));
    for (const { budget } of this.#books.values()) if (!there.has(keyOf(budget))) this.budgetRemoved(budget);
    for (const budget of budgets) this.budgetChanged(budget, atMs);
  }

  budgetChanged(budget: WatchedBudget, atMs: number): void {
    const old = this.#books.get(keyOf(budget));
    const book: Book = {
      budget,
      healthy: new Set(),
      fewest: old?.fewest ?? null,
      losses: old?.losses ?? { eviction: 0, deletion: 0, disruption: 0, unready: 0 },
    };
    for (const pod of this.#pods.values()) if (isHealthy(pod) && covers(book, pod)) book.healthy.add(pod.uid);
    this.#books.set(keyOf(budget), book);
    note(book, atMs);
  }

  budgetRemoved(budget: BudgetId): void {
    this.#books.delete(keyOf(budget));
  }

  report(): BudgetReport {
    const budgets = [...this.#books.values()].map(({ budget, healthy, fewest, losses }) => ({
      budget: keyOf(budget),
      desired: desiredOf(budget),
      expected: budget.expectedPods ?? 0,
      healthy: healthy.size,
      fewest,
      losses,
    }));
    return { budgets, violations: this.#violations };
  }

  #count(pod: WatchedPod, atMs: number): void {
    this.#pods.set(pod.uid, pod);
    for (const book of this.#books.values()) {
      if (isHealthy(pod) && covers(book, pod)) book.healthy.add(pod.uid);
      else if (book.healthy.delete(pod.uid)) this.#lost(book, { pod, atMs, isGone: false });
    }
  }

  #lost(book: Book, { pod, atMs, isGone }: { pod: WatchedPod; atMs: number; isGone: boolean }): void {
    const cause = causeOf(pod, isGone);
    book.losses[cause]++;
    note(book, atMs);
    const desired = desiredOf(book.budget);
    if (book.healthy.size >= desired) return;
    this.#violations.push({
      atMs,
      budget: keyOf(book.budget),
      pod: `${pod.namespace}/${pod.name}`,
      node: pod.node,
      cause,
      isVoluntary: cause === 'eviction' || cause === 'deletion',
      healthy: book.healthy.size,
      desired,
    });
  }
}

function covers({ budget }: Book, pod: WatchedPod): boolean {
  return budget.namespace === pod.namespace && selects(budget.selector, pod.labels);
}

function note(book: Book, atMs: number): void {
  const healthy = book.healthy.size;
  const desired = desiredOf(book.budget);
  const isFirst = book.fewest === null && book.budget.expectedPods !== undefined && healthy >= desired;
  const isFewer = book.fewest !== null && healthy - desired < book.fewest.healthy - book.fewest.desired;
  if (isFirst || isFewer) book.fewest = { healthy, desired, atMs };
}

/** As the disruption controller: percentages of the expected Pods are rounded up, for both (kubernetes.io, "Specifying a Disruption Budget"). */
export function desiredOf({ minAvailable, maxUnavailable, expectedPods = 0 }: WatchedBudget): number {
  if (maxUnavailable !== null) return Math.max(0, expectedPods - scaled(maxUnavailable, expectedPods));
  return scaled(minAvailable ?? 1, expectedPods);
}

function scaled(value: number | string, of: number): number {
  if (typeof value === 'number') return value;
  return Math.ceil((Number(value.replace('%', '')) * of) / 100);
}

function causeOf(pod: WatchedPod, isGone: boolean): LossCause {
  if (!isGone && !pod.isDeleted) return 'unready';
  if (pod.disruption === null) return 'deletion';
  return pod.disruption === 'EvictionByEvictionAPI' ? 'eviction' : 'disruption';
}
