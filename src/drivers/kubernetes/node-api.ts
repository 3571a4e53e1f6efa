import { hostname } from 'node:os';
import { assert } from '../../base/assert.ts';
import { HaleError } from '../../base/error.ts';
import { leasesPath } from '../../core/apiserver/lease.ts';
import { judgeReadiness } from '../../core/apiserver/readyz.ts';
import { refusalText } from '../../core/apiserver/refusal.ts';
import type { BudgetFacts, Heartbeat, NodeFacts, PodFacts } from '../../core/heal/facts.ts';
import { nodeOfPod, readBudget, readHeartbeat, readNode, readPod } from '../../core/heal/read.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { Kubernetes, KubernetesAnswer } from '../../ports/kubernetes.ts';
import type { ChangeResult, EvictResult, NodeApi, NodeChange, NodeEvent, PodRef, StopWatch, WatchSink } from '../../ports/node-api.ts';
import { type Collection, listAll } from './list.ts';
import { toEventObject } from './node-event.ts';
import { readPodEnd } from './pod-end.ts';
import { startReflector } from './watch.ts';

/** Of one page of a list, and of whatever changes something: webhooks that look at a change have 10 s by default, and an eviction is tried for 10 s by the server itself. */
const DEADLINE_MS = 30_000;
/** API servers send a bookmark every minute (apiserver, storage/cacher: bookmarkFrequency), so that this is one and a half of them. */
const SILENCE_MS = 90_000;
/** Each node renews its Lease every ten seconds (kubelet: a quarter of nodeLeaseDurationSeconds): where there are nodes, this is no silence but a loss. */
const HEARTBEAT_SILENCE_MS = 30_000;

/** A Node is some 15 kB, most of it names of images. */
const NODES: Collection<NodeFacts> = { path: '/api/v1/nodes', page: 100, read: readNode };
const HEARTBEATS: Collection<Heartbeat> = { path: leasesPath('kube-node-lease'), read: readHeartbeat };
const PODS: Collection<PodFacts> = { path: '/api/v1/pods', read: readPod };
const BUDGETS: Collection<BudgetFacts> = { path: '/apis/policy/v1/poddisruptionbudgets', read: readBudget };
const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events';

export interface NodeApiOptions {
  /** Its own: `close` closes it. With `maxSockets` for as many changes at once. */
  kubernetes: Kubernetes;
  /** How long any watch may be silent, instead of 90 s, and 30 s for heartbeats. */
  silenceMs?: number;
}

/** Nodes, their heartbeats, Pods and budgets of a real cluster. Opens nothing before it is asked. */
export function createNodeApi(options: NodeApiOptions): NodeApi {
  return new KubernetesNodeApi(options);
}

class KubernetesNodeApi implements NodeApi {
  readonly #kubernetes: Kubernetes;
  readonly #silenceMs: number | undefined;
  readonly #watches = new Set<StopWatch>();

  constructor({ kubernetes, silenceMs }: NodeApiOptions) {
    this.#kubernetes = kubernetes;
    this.#silenceMs = silenceMs;
  }

  watchNodes(sink: WatchSink<NodeFacts>): StopWatch {
    return this.#watch(NODES, sink);
  }

  watchHeartbeats(sink: WatchSink<Heartbeat>): StopWatch {
    return this.#watch(HEARTBEATS, sink, HEARTBEAT_SILENCE_MS);
  }

  watchPods(sink: WatchSink<PodFacts>, of?: { nodes: readonly string[] }): StopWatch {
    return this.#watch(of === undefined ? PODS : podsOf(of.nodes), sink);
  }

  watchBudgets(sink: WatchSink<BudgetFacts>): StopWatch {
    return this.#watch(BUDGETS, sink);
  }

  nodes(): Promise<NodeFacts[]> {
    return this.#list(NODES);
  }

  heartbeats(): Promise<Heartbeat[]> {
    return this.#list(HEARTBEATS);
  }

  pods(of?: { node: string }): Promise<PodFacts[]> {
    return this.#list(of === undefined ? PODS : podsOf([of.node]));
  }

  budgets(): Promise<BudgetFacts[]> {
    return this.#list(BUDGETS);
  }

  async node(name: string): Promise<NodeFacts | undefined> {
    const path = nodePath(name);
    const answer = await this.#kubernetes.request('GET', path);
    if (answer.status === 404) return undefined;
    const node = answer.status === 200 ? readNode(answer.body) : undefined;
    if (node === undefined) throw refused(path, answer);
    return node;
  }

  async changeNode(name: string, { version, annotations, ...spec }: NodeChange): Promise<ChangeResult> {
    // A merge patch replaces a list: without a version it would undo what others have added.
    assert(spec.taints === undefined || version !== undefined, 'a change of taints names the version that it changes');
    const metadata = { ...(version !== undefined && { resourceVersion: version }), ...(annotations !== undefined && { annotations }) };
    const answer = await this.#ask('PATCH', nodePath(name), { metadata, spec });
    if (typeof answer === 'string') return { kind: 'failed', reason: answer };
    if (answer.status === 404) return { kind: 'gone' };
    if (answer.status === 409) return { kind: 'conflict' };
    const node = answer.status === 200 ? readNode(answer.body) : undefined;
    return node === undefined ? { kind: 'failed', reason: refusalText(answer) } : { kind: 'changed', node };
  }

  evict(pod: PodRef, options?: { graceSeconds?: number }): Promise<EvictResult> {
    const { namespace, name } = pod;
    const deleteOptions = deleteOptionsOf(pod, options);
    return this.#endPod('POST', `${podPath(pod)}/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { namespace, name },
      deleteOptions,
    });
  }

  deletePod(pod: PodRef, options?: { graceSeconds?: number }): Promise<EvictResult> {
    return this.#endPod('DELETE', podPath(pod), deleteOptionsOf(pod, options));
  }

  async ready(): Promise<Effect> {
    const answer = await this.#ask('GET', '/readyz');
    if (typeof answer === 'string') return { ok: false, reason: answer };
    const { status, body } = answer;
    const result = judgeReadiness(status, typeof body === 'string' ? body : refusalText(answer));
    return 'reason' in result ? { ok: false, reason: result.reason } : done;
  }

  async record(event: NodeEvent): Promise<Effect> {
    const answer = await this.#ask('POST', EVENTS, toEventObject(event, { instance: hostname(), nowMs: Date.now() }));
    if (typeof answer === 'string') return { ok: false, reason: answer };
    return answer.status === 201 ? done : { ok: false, reason: refusalText(answer) };
  }

  close(): void {
    for (const stop of this.#watches) stop();
    this.#kubernetes.close();
  }

  #watch<T>(collection: Collection<T>, sink: WatchSink<T>, usualSilenceMs = SILENCE_MS): StopWatch {
    const silenceMs = this.#silenceMs ?? usualSilenceMs;
    const stopReflector = startReflector({ kubernetes: this.#kubernetes, collection, sink, silenceMs });
    const stop = (): void => {
      this.#watches.delete(stop);
      stopReflector();
    };
    this.#watches.add(stop);
    return stop;
  }

  async #list<T>(collection: Collection<T>): Promise<T[]> {
    const listed = await listAll(this.#kubernetes, { collection, timeoutMs: DEADLINE_MS });
    if (listed.kind === 'refused') throw refused(collection.path, listed.answer);
    return listed.items;
  }

  async #endPod(...call: ['POST' | 'DELETE', string, object]): Promise<EvictResult> {
    const answer = await this.#ask(...call);
    return typeof answer === 'string' ? { kind: 'failed', reason: answer } : readPodEnd(answer);
  }

  /** The answer, or why there is none. */
  async #ask(...[method, path, body]: ['GET' | 'POST' | 'PATCH' | 'DELETE', string, object?]): Promise<KubernetesAnswer | string> {
    const timeout = method === 'GET' ? {} : { timeoutMs: DEADLINE_MS };
    try {
      return await this.#kubernetes.request(method, path, { ...timeout, ...(body === undefined ? {} : { body }) });
    } catch (error) {
      if (error instanceof HaleError) return error.message;
      throw error;
    }
  }
}

/**
 * A field selector takes one node; for several, which would be a watch with a connection each, all Pods are watched, and those of others dropped before
 * they are read.
 */
function podsOf(nodes: readonly string[]): Collection<PodFacts> {
  if (nodes.length === 1) return { ...PODS, fieldSelector: `spec.nodeName=${nodes[0]}` };
  const wanted = new Set(nodes);
  return { ...PODS, read: (object) => (wanted.has(nodeOfPod(object)) ? readPod(object) : undefined) };
}

function nodePath(name: string): string {
  return `/api/v1/nodes/${encodeURIComponent(name)}`;
}

function podPath({ namespace, name }: PodRef): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
}

function deleteOptionsOf({ uid }: PodRef, { graceSeconds }: { graceSeconds?: number } = {}): object {
  return { preconditions: { uid }, ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }) };
}

function refused(path: string, answer: KubernetesAnswer): HaleError {
  return new HaleError({
    code: 'kubernetes_refused',
    kind: 'world',
    message: `GET ${path} is answered with ${refusalText(answer)}`,
    remedy:
      answer.status === 403
        ? 'bind the user of the kubeconfig to the ClusterRole that hale heal manifests rbac prints'
        : 'does the kubeconfig lead to a kube-apiserver that is well, with credentials that it knows?',
  });
}
