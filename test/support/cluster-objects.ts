import type { Kubernetes, KubernetesAnswer } from '../../src/ports/kubernetes.ts';
import type { PodRef } from '../../src/ports/node-api.ts';

/** Flags of a kube-apiserver that takes Pods although no controller makes service accounts. */
export const WITHOUT_ACCOUNTS = ['--disable-admission-plugins=ServiceAccount'];

const NAMESPACE = 'default';
export const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
export const BUDGETS = `/apis/policy/v1/namespaces/${NAMESPACE}/poddisruptionbudgets`;
export const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;

/** Makes Nodes, Leases, Pods and budgets of a real API, as their controllers and kubelets would. Throws on what the API refuses. */
export class ClusterObjects {
  readonly #kubernetes: Kubernetes;

  constructor(kubernetes: Kubernetes) {
    this.#kubernetes = kubernetes;
  }

  async node(name: string, more: object = {}): Promise<string> {
    return uidOf(await this.#do('POST', '/api/v1/nodes', { metadata: { name, ...more } }));
  }

  async changeNode(name: string, change: object): Promise<void> {
    await this.#do('PATCH', `/api/v1/nodes/${name}`, change);
  }

  async heartbeat(node: string, renewTime: string): Promise<void> {
    const lease = { metadata: { name: node }, spec: { holderIdentity: node, renewTime } };
    const { status } = await this.#kubernetes.request('PATCH', `${LEASES}/${node}`, { body: lease });
    if (status === 404) await this.#do('POST', LEASES, lease);
  }

  /** Running and ready, in the namespace default. */
  async pod(name: string, { node, labels = {} }: { node: string; labels?: Record<string, string> }): Promise<PodRef> {
    const spec = { nodeName: node, containers: [{ name: 'main', image: 'none' }] };
    const made = await this.#do('POST', PODS, { metadata: { name, labels }, spec });
    await this.#do('PATCH', `${PODS}/${name}/status`, { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } });
    return { namespace: NAMESPACE, name, uid: uidOf(made) };
  }

  async budget(name: string, { labels, allowed }: { labels: Record<string, string>; allowed: number }): Promise<void> {
    await this.#do('POST', BUDGETS, { metadata: { name }, spec: { minAvailable: 1, selector: { matchLabels: labels } } });
    await this.allow(name, allowed);
  }

  /** As the controller manager would that had counted its Pods. */
  async allow(budget: string, allowed: number): Promise<void> {
    const counts = { disruptionsAllowed: allowed, currentHealthy: 1 + allowed, desiredHealthy: 1, expectedPods: 1 + allowed };
    await this.#do('PATCH', `${BUDGETS}/${budget}/status`, { status: { observedGeneration: 1, ...counts } });
  }

  async remove(path: string): Promise<void> {
    const { status } = await this.#kubernetes.request('DELETE', path, { body: { gracePeriodSeconds: 0 } });
    if (status !== 404 && status !== 200) throw new Error(`${path}: HTTP ${status}`);
  }

  async #do(...[method, path, body]: ['POST' | 'PATCH', string, object]): Promise<KubernetesAnswer> {
    const answer = await this.#kubernetes.request(method, path, { body });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer;
  }
}

function uidOf({ body }: KubernetesAnswer): string {
  return (body as { metadata: { uid: string } }).metadata.uid;
}
