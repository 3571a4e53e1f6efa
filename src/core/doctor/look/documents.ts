import type { Facts } from '../facts.ts';
import { imageName, imageTag } from '../read/program-names.ts';
import { textAt, type YamlDocument } from '../read/yaml.ts';
import { kubernetesMinor } from './values.ts';

/* Questions that rules ask of documents. */

/** Documents of a kind whose apiVersion begins so. */
export function documentsOf({ documents }: Facts, apiVersion: string, ...kinds: readonly string[]): YamlDocument[] {
  return documents.filter((document) => document.apiVersion.startsWith(apiVersion) && kinds.includes(document.kind));
}

export const KUBEADM = 'kubeadm.k8s.io/';

export function nameOf({ value }: YamlDocument): string {
  return textAt(value, ['metadata', 'name']) ?? '';
}

/** Minor release of Kubernetes that a kubeadm document is for: its own, or that of the ClusterConfiguration beside it. */
export function minorFor(facts: Facts, document: YamlDocument): number | undefined {
  const configurations = documentsOf(facts, KUBEADM, 'ClusterConfiguration');
  const own = configurations.filter(({ file }) => file === document.file);
  return minorOf(own.length > 0 ? own : configurations);
}

/** Minor release of Kubernetes in the whole set; undefined when it is not said, or said twice. */
export function clusterMinor(facts: Facts): number | undefined {
  const images = facts.programs.flatMap(({ image }) =>
    image !== undefined && imageName(image.text) === 'kube-apiserver' ? (kubernetesMinor(imageTag(image.text) ?? '') ?? []) : [],
  );
  const minors = new Set(images);
  if (minors.size > 0) return minors.size === 1 ? images[0] : undefined;
  return minorOf(documentsOf(facts, KUBEADM, 'ClusterConfiguration'));
}

function minorOf(configurations: readonly YamlDocument[]): number | undefined {
  const minors = new Set(configurations.flatMap(({ value }) => kubernetesMinor(textAt(value, ['kubernetesVersion']) ?? '') ?? []));
  return minors.size === 1 ? [...minors][0] : undefined;
}
