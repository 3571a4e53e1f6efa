import type { BudgetFacts, Heartbeat, NodeFacts, PodFacts, Taint } from '../core/heal/facts.ts';
import type { Effect } from './effect.ts';

/** The Nodes of a cluster and what runs on them, as healing and draining read and change them through the Kubernetes API. */
export interface NodeApi {
  watchNodes(sink: WatchSink<NodeFacts>): StopWatch;
  /** Leases of kube-node-lease. */
  watchHeartbeats(sink: WatchSink<Heartbeat>): StopWatch;
  /** Of these nodes, or of all. */
  watchPods(sink: WatchSink<PodFacts>, of?: { nodes: readonly string[] }): StopWatch;
  watchBudgets(sink: WatchSink<BudgetFacts>): StopWatch;
  /** One look; a HaleError `kubernetes_unreachable` or `kubernetes_refused` when there is no answer. */
  nodes(): Promise<NodeFacts[]>;
  /** Undefined when there is no such node. */
  node(name: string): Promise<NodeFacts | undefined>;
  heartbeats(): Promise<Heartbeat[]>;
  pods(of?: { node: string }): Promise<PodFacts[]>;
  budgets(): Promise<BudgetFacts[]>;
  changeNode(name: string, change: NodeChange): Promise<ChangeResult>;
  /** The eviction API (policy/v1): the Pod ends as its budgets allow. */
  evict(pod: PodRef, options?: { graceSeconds?: number }): Promise<EvictResult>;
  /** Ends a Pod whatever its budgets say; 0 seconds also where its kubelet does not answer. */
  deletePod(pod: PodRef, options?: { graceSeconds?: number }): Promise<EvictResult>;
  /** Whether the API server calls itself ready (`/readyz`). */
  ready(): Promise<Effect>;
  /** Makes an Event of a node that people see with `kubectl describe node` and `kubectl get events`. A failure is a value: no remedy depends on it. */
  record(event: NodeEvent): Promise<Effect>;
  close(): void;
}

export type StopWatch = () => void;

/** What a watch tells, in order. It goes on by itself after whatever breaks it. */
export interface WatchSink<T> {
  /** Everything that is there: at the start, and whenever it is not known what came between. */
  replaced(items: readonly T[]): void;
  /** Added or modified. */
  changed(item: T): void;
  removed(item: T): void;
  /** No news for now, and why; `replaced` or `changed` or `alive` end that. */
  broken(reason: string): void;
  /** Heard from the API server without news: a bookmark. */
  alive(): void;
}

/** A change of a Node. With `version` it is refused when somebody else has changed the Node since. */
export interface NodeChange {
  unschedulable?: boolean;
  /** Null removes one. */
  annotations?: Readonly<Record<string, string | null>>;
  /** All of them; needs `version`. */
  taints?: readonly Taint[];
  version?: string;
}

export type ChangeResult =
  | { kind: 'changed'; node: NodeFacts }
  | { kind: 'conflict' }
  | { kind: 'gone' }
  | { kind: 'failed'; reason: string };

/** A Pod and no other that later has its name. */
export interface PodRef {
  namespace: string;
  name: string;
  uid: string;
}

export type EvictResult =
  /** Accepted: it ends within its grace period. */
  | { kind: 'accepted' }
  /** There is no such Pod any more, or another one with its name. */
  | { kind: 'gone' }
  /** 429: a budget, or an API server that has too much to do. `budget` where the answer names it. */
  | { kind: 'blocked'; budget: string | undefined; reason: string; retryAfterMs: number | undefined }
  | { kind: 'failed'; reason: string };

/** events.k8s.io/v1. */
export interface NodeEvent {
  node: { name: string; uid: string };
  type: 'Normal' | 'Warning';
  /** CamelCase word for machines. */
  reason: string;
  /** Verb of what was done, CamelCase. */
  action: string;
  /** At most 1,024 characters. */
  note: string;
}
