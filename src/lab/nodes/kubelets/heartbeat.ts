import { setTimeout as sleep } from 'node:timers/promises';
import { leasesPath } from '../../../core/apiserver/lease.ts';
import { microTimeOf } from '../../../core/apiserver/micro-time.ts';
import type { Api } from './api.ts';

const LEASES = leasesPath('kube-node-lease');
/** As kubelet: a Lease of 40 s, renewed every quarter of that (kubernetes.io, "KubeletConfiguration", nodeLeaseDurationSeconds), and some 4 % apart. */
const LEASE_SECONDS = 40;
const RENEW_MS = 10_000;
const JITTER = 0.04;
/** Tries of one renewal, as kubelet makes them (k8s.io/component-helpers, apimachinery/lease). */
const TRIES = 5;
const CONFLICT = 409;
const NOT_FOUND = 404;

interface Lease {
  metadata: object;
  spec: object;
}

export interface HeartbeatOptions {
  api: Api;
  node: { name: string; uid: string };
  signal: AbortSignal;
  /** When the first has been taken. */
  began(): void;
  say(line: string): void;
}

/** Renews the Lease of a node until `signal` aborts. */
export async function beat({ api, node, signal, began, say }: HeartbeatOptions): Promise<void> {
  let lease: Lease | undefined;
  let isFirst = true;
  while (!signal.aborted) {
    for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
      try {
        lease = await renew(api, { node, lease });
        if (isFirst) began();
        isFirst = false;
        break;
      } catch (error) {
        lease = undefined;
        say(`${node.name} could not renew its Lease: ${(error as Error).message}`);
      }
    }
    await sleep(RENEW_MS * (1 + Math.random() * JITTER), undefined, { signal }).catch(() => undefined);
  }
}

/** Over the version that is known, or what is there. */
async function renew(api: Api, { node, lease }: { node: HeartbeatOptions['node']; lease: Lease | undefined }): Promise<Lease> {
  const path = `${LEASES}/${node.name}`;
  const known = lease ?? (await found(api, path));
  const spec = { holderIdentity: node.name, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTimeOf(Date.now()) };
  const { status, body } =
    known === undefined
      ? await api.json('POST', LEASES, { body: { metadata: { name: node.name, ownerReferences: [ownerOf(node)] }, spec } })
      : await api.json('PUT', path, { body: { metadata: known.metadata, spec } });
  if (status < 300) return body as Lease;
  throw new Error(status === CONFLICT ? 'somebody else has changed it' : `status ${status}`);
}

async function found(api: Api, path: string): Promise<Lease | undefined> {
  const { status, body } = await api.json('GET', path);
  if (status < 300) return body as Lease;
  if (status === NOT_FOUND) return undefined;
  throw new Error(`status ${status}`);
}

/** The Lease goes with its Node. */
function ownerOf({ name, uid }: HeartbeatOptions['node']): object {
  return { apiVersion: 'v1', kind: 'Node', name, uid };
}
