import { HaleError } from '../../base/error.ts';
import { type BudgetFacts, type NodeFacts, type PodFacts, podKey, selects } from '../../core/heal/facts.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { ChangeResult, EvictResult, NodeApi, NodeChange, PodRef, StopWatch, WatchSink } from '../../ports/node-api.ts';
import type { Answer, SimLine } from './line.ts';
import type { ApiStore, Kind, Kinds, StoredBudget } from './store.ts';
import { SimWatch, type WatchTools } from './watch.ts';

/** What the world's monitors hear of a controller's calls. */
export interface ApiEars {
  /** The controller sends it. */
  asked(call: ApiCall): void;
  /** The API server has done it. */
  did(call: ApiCall, before: NodeFacts | PodFacts): void;
}

export type ApiCall =
  | { kind: 'read'; node: string }
  | { kind: 'change'; node: string; change: NodeChange }
  | { kind: 'evict' | 'delete'; pod: PodRef; graceSeconds: number | undefined };

export interface SimNodeApiOptions extends WatchTools {
  store: ApiStore;
  ears: ApiEars;
}

const CALL_MS = 10_000;

/** The NodeApi of one controller. */
export class SimNodeApi implements NodeApi {
  readonly #options: SimNodeApiOptions;
  readonly #line: SimLine;
  readonly #watches = new Set<{ breaks(noticedMs: number): void; stop(): void }>();

  constructor(options: SimNodeApiOptions) {
    this.#options = options;
    this.#line = options.line;
  }

  /** Every watch loses its connection. */
  breakWatches(noticedMs: number): void {
    for (const watch of this.#watches) watch.breaks(noticedMs);
  }

  watchNodes(sink: WatchSink<NodeFacts>): StopWatch {
    return this.#watch('nodes', sink);
  }

  watchHeartbeats(sink: WatchSink<Kinds['heartbeats']>): StopWatch {
    return this.#watch('heartbeats', sink);
  }

  watchPods(sink: WatchSink<PodFacts>, of?: { nodes: readonly string[] }): StopWatch {
    return this.#watch('pods', sink, of === undefined ? () => true : ({ node }) => of.nodes.includes(node));
  }

  watchBudgets(sink: WatchSink<BudgetFacts>): StopWatch {
    return this.#watch('budgets', sink);
  }

  async nodes(): Promise<NodeFacts[]> {
    return orThrow(await this.#line.call(() => [...this.#options.store.nodes.values()], CALL_MS));
  }

  async node(name: string): Promise<NodeFacts | undefined> {
    this.#options.ears.asked({ kind: 'read', node: name });
    return orThrow(await this.#line.call(() => this.#options.store.nodes.get(name), CALL_MS));
  }

  async heartbeats(): Promise<Kinds['heartbeats'][]> {
    return orThrow(await this.#line.call(() => [...this.#options.store.heartbeats.values()], CALL_MS));
  }

  async pods(of?: { node: string }): Promise<PodFacts[]> {
    const { store } = this.#options;
    return orThrow(await this.#line.call(() => (of === undefined ? [...store.pods.values()] : store.onNode(of.node)), CALL_MS));
  }

  async budgets(): Promise<BudgetFacts[]> {
    return orThrow(await this.#line.call(() => [...this.#options.store.budgets.values()], CALL_MS));
  }

  async changeNode(name: string, change: NodeChange): Promise<ChangeResult> {
    const { store, ears } = this.#options;
    ears.asked({ kind: 'change', node: name, change });
    const answer = await this.#line.call((): ChangeResult => {
      const before = store.nodes.get(name);
      if (before === undefined) return { kind: 'gone' };
      if (change.version !== undefined && change.version !== before.version) return { kind: 'conflict' };
      const after = changed(before, change);
      // The API server makes no new version of what is as it was.
      if (JSON.stringify(after) === JSON.stringify(before)) return { kind: 'changed', node: before };
      const node = store.putNode(after);
      ears.did({ kind: 'change', node: name, change }, before);
      return { kind: 'changed', node };
    }, CALL_MS);
    return answer.ok ? answer.value : { kind: 'failed', reason: answer.reason };
  }

  async evict(pod: PodRef, { graceSeconds }: { graceSeconds?: number } = {}): Promise<EvictResult> {
    const { store, schedule, ears } = this.#options;
    ears.asked({ kind: 'evict', pod, graceSeconds });
    const answer = await this.#line.call((): EvictResult => {
      const found = store.pods.get(podKey(pod));
      if (found === undefined || found.uid !== pod.uid) return { kind: 'gone' };
      const refusal = admit(store, found);
      if (refusal !== undefined) return refusal;
      ears.did({ kind: 'evict', pod, graceSeconds }, found);
      if (found.deletionAtMs === null) store.putPod({ ...found, deletionAtMs: schedule.now + (graceSeconds ?? found.graceSeconds) * 1000 });
      return { kind: 'accepted' };
    }, CALL_MS);
    return answer.ok ? answer.value : { kind: 'failed', reason: answer.reason };
  }

  async deletePod(pod: PodRef, { graceSeconds }: { graceSeconds?: number } = {}): Promise<EvictResult> {
    const { store, schedule, ears } = this.#options;
    ears.asked({ kind: 'delete', pod, graceSeconds });
    const answer = await this.#line.call((): EvictResult => {
      const found = store.pods.get(podKey(pod));
      if (found === undefined || found.uid !== pod.uid) return { kind: 'gone' };
      ears.did({ kind: 'delete', pod, graceSeconds }, found);
      if (graceSeconds === 0) store.removePod(found);
      else store.putPod({ ...found, deletionAtMs: schedule.now + (graceSeconds ?? found.graceSeconds) * 1000 });
      return { kind: 'accepted' };
    }, CALL_MS);
    return answer.ok ? answer.value : { kind: 'failed', reason: answer.reason };
  }

  async ready(): Promise<Effect> {
    const answer = await this.#line.call(() => done, CALL_MS);
    return answer.ok ? answer.value : { ok: false, reason: answer.reason };
  }

  async record(): Promise<Effect> {
    return done;
  }

  close(): void {
    for (const watch of this.#watches) watch.stop();
  }

  #watch<K extends Kind>(kind: K, sink: WatchSink<Kinds[K]>, wanted: (item: Kinds[K]) => boolean = () => true): StopWatch {
    const { store } = this.#options;
    const list = () => [...store[kind].values()].filter((item) => wanted(item as Kinds[K])) as Kinds[K][];
    const source = {
      list,
      listen: (listener: (event: { type: 'changed' | 'removed'; item: Kinds[K] }) => void) =>
        store.listen(kind, (event) => void (wanted(event.item) && listener(event))),
    };
    const watch = new SimWatch<Kinds[K]>(source, sink, this.#options);
    this.#watches.add(watch);
    return () => {
      this.#watches.delete(watch);
      watch.stop();
    };
  }
}

function orThrow<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw new HaleError({ code: 'kubernetes_unreachable', kind: 'world', message: `the API does not answer: ${answer.reason}` });
}

function changed(node: NodeFacts, { unschedulable, annotations, taints }: NodeChange): NodeFacts {
  const merged = Object.entries({ ...node.annotations, ...annotations }).filter((entry): entry is [string, string] => entry[1] !== null);
  return {
    ...node,
    ...(unschedulable === undefined ? {} : { unschedulable }),
    ...(taints === undefined ? {} : { taints }),
    annotations: Object.fromEntries(merged),
  };
}

/** The eviction API (kubernetes, pkg/registry/core/pod/storage/eviction.go): takes one from the budget over the Pod, or refuses. */
function admit(store: ApiStore, pod: PodFacts): EvictResult | undefined {
  if (pod.phase !== 'Running' || pod.deletionAtMs !== null) return undefined;
  const over = [...store.budgets.values()].filter(
    ({ namespace, selector }) => namespace === pod.namespace && selects(selector, pod.labels),
  );
  if (over.length > 1)
    return { kind: 'failed', reason: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.' };
  const [budget] = over as [StoredBudget?];
  if (budget === undefined) return undefined;
  if (
    !pod.isReady &&
    (budget.unhealthyPods === 'AlwaysAllow' || (budget.currentHealthy >= budget.desiredHealthy && budget.desiredHealthy > 0))
  )
    return undefined;
  if (budget.disruptionsAllowed <= 0) {
    const reason = "Cannot evict pod as it would violate the pod's disruption budget.";
    return { kind: 'blocked', budget: budget.name, reason, retryAfterMs: undefined };
  }
  store.putBudget({ ...budget, disruptionsAllowed: budget.disruptionsAllowed - 1, disrupted: new Set([...budget.disrupted, pod.name]) });
  return undefined;
}
