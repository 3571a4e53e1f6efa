/** All files of a cluster: for every host, and for the cluster as a whole. Pure and deterministic: the same description and secrets give the same bytes. */
import type { Cluster } from '../cluster/schema.ts';
import { addonsPart } from './addons/part.ts';
import { copyPart } from './copy.ts';
import type { RenderedFile } from './file.ts';
import { k3sPart } from './k3s/part.ts';
import { kubeadmPart } from './kubeadm/part.ts';
import { monitoringPart } from './monitoring/part.ts';
import { networkPart } from './network/part.ts';
import type { ClusterFile, HostInput, Part, RenderedHost } from './part.ts';
import { providerPart } from './providers.ts';
import { rke2Part } from './rke2/part.ts';
import type { ClusterSecrets } from './secrets.ts';
import { stepsFile } from './steps.ts';
import { sysctlPart } from './sysctl/part.ts';
import { systemdPart } from './systemd/part.ts';

const DISTRIBUTIONS: Record<Cluster['distribution'], Part> = { kubeadm: kubeadmPart, k3s: k3sPart, rke2: rke2Part, systemd: systemdPart };

/** What belongs to a cluster, the endpoint's part first: it is there before the API. */
function partsOf(cluster: Cluster): Part[] {
  return [copyPart, sysctlPart, providerPart(cluster), DISTRIBUTIONS[cluster.distribution], networkPart, addonsPart, monitoringPart];
}

/** Every machine of the cluster with its role, in the order of cluster.yaml. */
export function renderedHosts({ controlPlane, haproxyKeepalived, workers }: Cluster): RenderedHost[] {
  return [
    ...controlPlane.hosts.map((host, index) => ({ host, role: 'control-plane', index }) as const),
    ...haproxyKeepalived.balancers.map((host, index) => ({ host, role: 'balancer', index }) as const),
    ...workers.hosts.map((host, index) => ({ host, role: 'worker', index }) as const),
  ];
}

/** The files of one host, by path. */
export function renderHost(input: HostInput): RenderedFile[] {
  return byPath(partsOf(input.cluster).flatMap((part) => part.hostFiles?.(input) ?? []));
}

/** The files of the cluster as a whole, by path: manifests to apply, monitoring, and the order of the steps. */
export function renderClusterFiles(cluster: Cluster, secrets: ClusterSecrets): ClusterFile[] {
  const parts = partsOf(cluster);
  const steps = parts.flatMap((part) => part.steps?.(cluster) ?? []);
  return byPath([stepsFile(cluster, steps), ...parts.flatMap((part) => part.clusterFiles?.({ cluster, secrets }) ?? [])]);
}

function byPath<F extends ClusterFile>(files: readonly F[]): F[] {
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}
