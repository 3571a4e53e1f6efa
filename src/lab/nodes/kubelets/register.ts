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
 * node's Pods start once more. Returns the uid of the Node. Rejects when the API does not answer or refuses.
 */
export async function register(api: Api, node: NodePlan, life: Life): Promise<string> {
  const made = await api.json('POST', '/api/v1/nodes', { body: nodeObject(node, life) });
  if (made.status === CREATED) {
    await untaint(api, node);
    return uidOf(made.body);
  }
  const told = await api.json('PATCH', `/api/v1/nodes/${node.name}/status`, {
    body: { status: { nodeInfo: nodeInfo(life) } },
    type: STRATEGIC,
  });
  if (told.status !== OK) throw refusal(node.name, told);
  const { body } = await api.json('GET', `/api/v1/pods?fieldSelector=spec.nodeName%3D${node.name}`);
  for (const pod of (body as { items?: PodObject[] }).items ?? []) {
    if (pod.status?.phase !== 'Running' || pod.metadata.deletionTimestamp !== undefined) continue;
    const { namespace, name } = pod.metadata;
    const changed = await api.json('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      body: restarted(pod),
      type: STRATEGIC,
    });
    if (changed.status !== OK && changed.status !== NOT_FOUND) throw refusal(node.name, changed);
  }
  return uidOf(told.body);
}

function uidOf(node: unknown): string {
  return (node as { metadata: { uid: string } }).metadata.uid;
}

/**
 * Every new Node is tainted as not ready until the controller manager has looked at it, a few each second: minutes for a lab of many. These are ready from
 * the start.
 */
async function untaint(api: Api, node: NodePlan): Promise<void> {
  const told = await api.json('PATCH', `/api/v1/nodes/${node.name}`, { body: { spec: { taints: taintsOf(node.role) } }, type: MERGE });
  if (told.status !== OK) throw refusal(node.name, told);
}

function refusal(node: string, { status, body }: { status: number; body: unknown }): Error {
  return new Error(`${node} was refused with ${status}: ${JSON.stringify(body).slice(0, 300)}`);
}
