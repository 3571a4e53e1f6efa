import { networkInterfaces } from 'node:os';
import type { Cluster } from '../../core/cluster/schema.ts';
import { controlPlaneBrake } from '../../core/heal/brakes.ts';
import { isControlPlane } from '../../core/heal/facts.ts';
import { createKubernetesClient } from '../../drivers/kubernetes/client.ts';
import { createFailover } from '../../drivers/kubernetes/failover.ts';
import { createNodeApi } from '../../drivers/kubernetes/node-api.ts';
import { openPower } from '../../drivers/power/open.ts';
import { createRemote } from '../../drivers/remote.ts';
import type { DrainProgress } from '../../engine/heal/drain.ts';
import type { StepTools } from '../../engine/heal/steps.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { etcdLook } from './etcd-look.ts';

/** Evictions and the like at the same time: a drain of many nodes sends hundreds. */
const CONNECTIONS = 16;

export interface ApiAccess {
  cluster: Cluster;
  /** Instead of that of the description: the API is then where that says. */
  kubeconfig: string | undefined;
}

/** The API by the servers of the control-plane hosts themselves, this host's first where it is one; the shared address is not needed. */
export function openKubernetes({ cluster, kubeconfig }: ApiAccess): Kubernetes {
  if (kubeconfig !== undefined) return createKubernetesClient({ kubeconfig, maxSockets: CONNECTIONS });
  const { hosts } = cluster.controlPlane;
  const local = new Set(Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address)));
  const own = Math.max(
    0,
    hosts.findIndex(({ addresses }) => addresses.some(({ address }) => local.has(address))),
  );
  const servers = hosts.map((_, i) => {
    const host = hosts[(own + i) % hosts.length]?.addresses[0]?.address as string;
    return createKubernetesClient({
      kubeconfig: cluster.kubernetes.kubeconfig,
      connectTo: { host, port: cluster.apiserver.port },
      maxSockets: CONNECTIONS,
    });
  });
  return createFailover(servers as [Kubernetes, ...Kubernetes[]]);
}

export interface ToolOptions {
  cluster: Cluster;
  kubernetes: Kubernetes;
  onProgress: (node: string, progress: DrainProgress) => void;
}

/** What carries out remedies and `hale node`, from the description. */
export function openTools({ cluster, kubernetes, onProgress }: ToolOptions): Omit<StepTools, 'drain'> {
  const { heal, controlPlane, workers } = cluster;
  const bmcs = new Map([...controlPlane.hosts, ...workers.hosts].map(({ name, bmc }) => [name, bmc ?? '']));
  const api = createNodeApi({ kubernetes });
  return {
    api,
    clock: boottime,
    power: openPower(heal.power),
    remote: createRemote(heal),
    offMs: heal.power.offSeconds * 1000,
    bmcOf: (node) => bmcs.get(node) ?? '',
    mayStop: async (node) =>
      isControlPlane(node) ? controlPlaneBrake(node, { nodes: await api.nodes(), etcd: await etcdLook(cluster) }) : undefined,
    onProgress,
  };
}
