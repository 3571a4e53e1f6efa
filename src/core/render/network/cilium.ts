import type { Cluster } from '../../cluster/schema.ts';
import { apiAddress } from './api-address.ts';
import { podSubnet } from './pod-subnets.ts';

/** Values of Cilium's Helm chart (github.com/cilium/cilium, install/kubernetes/cilium/values.yaml of 1.18 to 1.20). */
export function ciliumValues(cluster: Cluster): Record<string, unknown> {
  const { kubernetes, controlPlane, workers } = cluster;
  const [ipv4, ipv6] = [podSubnet(kubernetes, 'IPv4') !== undefined, podSubnet(kubernetes, 'IPv6') !== undefined];
  const without = kubernetes.kubeProxy === 'none';
  const { host, port } = apiAddress(cluster);
  // Two of them on one host would both ask for its ports.
  const replicas = controlPlane.hosts.length + workers.hosts.length > 1 ? 2 : 1;
  return {
    cluster: { name: cluster.name },
    kubeProxyReplacement: without,
    ...(without ? { k8sServiceHost: host, k8sServicePort: port } : {}),
    ipv4: { enabled: ipv4 },
    ipv6: { enabled: ipv6 },
    ipam: { mode: 'kubernetes' },
    k8s: { requireIPv4PodCIDR: ipv4, requireIPv6PodCIDR: ipv6 },
    operator: { replicas, podDisruptionBudget: { enabled: replicas > 1, maxUnavailable: 1 } },
  };
}
