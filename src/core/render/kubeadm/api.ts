/** The versions of kubeadm's file format (kubernetes.io, "kubeadm Configuration"). */
import type { Cluster } from '../../cluster/schema.ts';
import type { Flag } from '../flags.ts';
import { kubernetesMinor } from '../release.ts';
import { because } from '../yaml.ts';

export type KubeadmApi = 'v1beta3' | 'v1beta4';

/** v1beta3 is read by kubeadm 1.22 to 1.36, v1beta4 since 1.31. */
export function kubeadmApi(cluster: Cluster): KubeadmApi {
  return kubernetesMinor(cluster) >= 31 ? 'v1beta4' : 'v1beta3';
}

/** The head of a document. */
export function typeOf(cluster: Cluster, kind: string): { apiVersion: string; kind: string } {
  return { apiVersion: `kubeadm.k8s.io/${kubeadmApi(cluster)}`, kind };
}

/** Flags as `extraArgs`: a list since v1beta4, a mapping before. Undefined for none. */
export function extraArgs(cluster: Cluster, flags: readonly Flag[]): unknown {
  if (flags.length === 0) return undefined;
  const explain = (why: string | undefined, value: unknown) => (why === undefined ? value : because(why, value));
  if (kubeadmApi(cluster) === 'v1beta4') return flags.map(({ name, value, why }) => explain(why, { name, value }));
  return Object.fromEntries(flags.map(({ name, value, why }) => [name, explain(why, value)]));
}
