import type { NodePlan } from '../plan.ts';
import type { Api } from './api.ts';
import { type Life, nodeInfo, nodeObject, type PodObject, restarted, taintsOf } from './objects.ts';

const STRATEGIC = 'application/strategic-merge-patch+json';
const MERGE = 'application/merge-patch+json';
const CREATED = 201;
const OK = 200;
const NOT_FOUND = 404;

/**
 * What a kubelet does when its host has started: it registers its Node where there is none, and says else which life this is; and the containers of the
 * node's Pods start once more. Rejects when the API does not answer or refuses.
 */
export async function register(api: Api, node: NodePlan, life: Life): Promise<void> {
  const made = await api.json('POST', '/api/v1/nodes', { body: nodeObject(node, life) });
  if (made.status === CREATED) return untaint(api, node);
  const told = await api.json('PATCH', `/api/v1/nodes/${node.name}/status`, {
    body: { status: { nodeInfo: nodeInfo(life) } },
    type: STRATEGIC,
  });
  if (told.status !== OK) throw refusal(node.name, told);
  await freeLease(api, node.name);
  const { body } = await api.json('GET', `/api/v1/pods?fieldSelector=spec.nodeName%3D${node.name}`);
  for (const pod of (body as { items?: PodObject[] }).items ?? []) {
    if (pod.status?.phase !== 'Running' || pod.metadata.deletionTimestamp !== undefined) continue;
    const { namespace, name } = pod.metadata;
    await api.json('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, { body: restarted(pod), type: STRATEGIC });
  }
}

/**
 * Every new Node is tainted as not ready until the controller manager has looked at it, a few each second: minutes for a lab of many. These are ready from
 * the start.
 */
async function untaint(api: Api, node: NodePlan): Promise<void> {
  const told = await api.json('PATCH', `/api/v1/nodes/${node.name}`, { body: { spec: { taints: taintsOf(node.role) } }, type: MERGE });
  if (told.status !== OK) throw refusal(node.name, told);
}

/** A kwok takes the Lease of an earlier one for that of a stranger, and would wait for its end; a kubelet renews its own at once. */
async function freeLease(api: Api, node: string): Promise<void> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${node}`;
  const { status, body } = await api.json('PATCH', path, {
    body: { spec: { holderIdentity: null } },
    type: MERGE,
  });
  if (status !== OK && status !== NOT_FOUND) throw refusal(node, { status, body });
}

function refusal(node: string, { status, body }: { status: number; body: unknown }): Error {
  return new Error(`${node} was refused with ${status}: ${JSON.stringify(body).slice(0, 300)}`);
}
