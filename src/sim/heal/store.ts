import type { BudgetFacts, Heartbeat, NodeFacts, PodFacts } from '../../core/heal/facts.ts';
import { podKey } from '../../core/heal/facts.ts';

/** A budget as its controller keeps it: with the evictions that it does not see in the Pods yet. */
export interface StoredBudget extends BudgetFacts {
  minAvailable: number;
  disrupted: ReadonlySet<string>;
}

export interface Kinds {
  nodes: NodeFacts;
  heartbeats: Heartbeat;
  pods: PodFacts;
  budgets: StoredBudget;
}

export type Kind = keyof Kinds;
export type StoreEvent<K extends Kind = Kind> = { type: 'changed' | 'removed'; item: Kinds[K]; before: Kinds[K] | undefined };
type Listener<K extends Kind> = (event: StoreEvent<K>) => void;

/** What the API server keeps: every change has a revision, and everybody who listens hears of them in order. */
export class ApiStore {
  readonly nodes = new Map<string, NodeFacts>();
  readonly heartbeats = new Map<string, Heartbeat>();
  readonly pods = new Map<string, PodFacts>();
  readonly budgets = new Map<string, StoredBudget>();
  /** Keys of Pods by their node, and by their owner. */
  readonly podsOn = new Map<string, Set<string>>();
  readonly podsOf = new Map<string, Set<string>>();
  #revision = 1000;
  readonly #listeners: { [K in Kind]: Set<Listener<K>> } = { nodes: new Set(), heartbeats: new Set(), pods: new Set(), budgets: new Set() };

  /** Returns what ends it. */
  listen<K extends Kind>(kind: K, listener: Listener<K>): () => void {
    this.#listeners[kind].add(listener);
    return () => void this.#listeners[kind].delete(listener);
  }

  putNode(node: Omit<NodeFacts, 'version'>): NodeFacts {
    const item = { ...node, version: String(++this.#revision) };
    const before = this.nodes.get(node.name);
    this.nodes.set(node.name, item);
    this.#emit('nodes', { type: 'changed', item, before });
    return item;
  }

  renew(beat: Heartbeat): void {
    const before = this.heartbeats.get(beat.node);
    this.heartbeats.set(beat.node, beat);
    this.#emit('heartbeats', { type: 'changed', item: beat, before });
  }

  putPod(item: PodFacts): void {
    const key = podKey(item);
    const before = this.pods.get(key);
    this.pods.set(key, item);
    if (before !== undefined && before.node !== item.node) this.podsOn.get(before.node)?.delete(key);
    indexed(this.podsOn, item.node).add(key);
    indexed(this.podsOf, ownerKey(item)).add(key);
    this.#emit('pods', { type: 'changed', item, before });
  }

  removePod(item: PodFacts): void {
    const key = podKey(item);
    const before = this.pods.get(key);
    if (before === undefined || before.uid !== item.uid) return;
    this.pods.delete(key);
    this.podsOn.get(before.node)?.delete(key);
    this.podsOf.get(ownerKey(before))?.delete(key);
    this.#emit('pods', { type: 'removed', item: before, before });
  }

  putBudget(item: StoredBudget): void {
    const before = this.budgets.get(podKey(item));
    this.budgets.set(podKey(item), item);
    this.#emit('budgets', { type: 'changed', item, before });
  }

  /** The Pods bound to a node. */
  onNode(name: string): PodFacts[] {
    return [...(this.podsOn.get(name) ?? [])].map((key) => this.pods.get(key) as PodFacts);
  }

  ofOwner(key: string): PodFacts[] {
    return [...(this.podsOf.get(key) ?? [])].map((pod) => this.pods.get(pod) as PodFacts);
  }

  #emit<K extends Kind>(kind: K, event: StoreEvent<K>): void {
    for (const listener of this.#listeners[kind]) listener(event);
  }
}

export function ownerKey({ owner, namespace }: Pick<PodFacts, 'owner' | 'namespace'>): string {
  return owner === null ? '' : `${owner.kind} ${namespace}/${owner.name}`;
}

function indexed(map: Map<string, Set<string>>, key: string): Set<string> {
  const found = map.get(key) ?? new Set<string>();
  map.set(key, found);
  return found;
}
