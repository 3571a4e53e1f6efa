import type { Cluster } from '../../cluster/schema.ts';

interface Addon {
  name: string;
  labels: Record<string, string>;
}

/** Labels of their Pods, as each distribution brings them. Those of the network plugins come with their charts and operators. */
function addons({ distribution }: Cluster): Addon[] {
  const metricsServer = distribution === 'rke2' ? { 'app.kubernetes.io/name': 'rke2-metrics-server' } : { 'k8s-app': 'metrics-server' };
  return [
    { name: 'coredns', labels: { 'k8s-app': 'kube-dns' } },
    { name: 'metrics-server', labels: metricsServer },
  ];
}

/** PodDisruptionBudgets (kubernetes.io, "Disruptions"): a drain takes one of each away, then waits for its successor. */
export function disruptionBudgets(cluster: Cluster): object[] {
  return addons(cluster).map(({ name, labels }) => ({
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace: 'kube-system' },
    spec: { maxUnavailable: 1, selector: { matchLabels: labels }, unhealthyPodEvictionPolicy: 'AlwaysAllow' },
  }));
}

export function budgetComment({ kubernetes: { cni } }: Cluster): string {
  const network = {
    none: '',
    flannel: '',
    calico: '\nOf Calico, the operator keeps a budget for Typha itself; kube-controllers is a single Pod, which no budget can keep up.',
    cilium: "\nThe budget of Cilium's operator is among the values of its chart.",
  }[cni];
  return `Made by hale from cluster.yaml.
maxUnavailable rather than minAvailable: a drain is never stuck where there is a single Pod.
unhealthyPodEvictionPolicy AlwaysAllow: Pods that are not ready do not hold up a drain either.
One budget for each Pod and no more: with two, every eviction of it fails.${network}`;
}
