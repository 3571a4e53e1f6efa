import { formatPrefix } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { podSubnet } from './pod-subnets.ts';

/**
 * Values of Flannel's Helm chart (github.com/flannel-io/flannel, chart/kube-flannel/values.yaml of 0.28), from which it writes net-conf.json.
 * Flannel itself reaches the API at the Service `kubernetes`, by way of kube-proxy.
 */
export function flannelValues({ kubernetes }: Cluster): Record<string, unknown> {
  const [ipv4, ipv6] = [podSubnet(kubernetes, 'IPv4'), podSubnet(kubernetes, 'IPv6')];
  return {
    // Empty means none of that family; the chart's default would be used without it.
    podCidr: ipv4 === undefined ? '' : formatPrefix(ipv4),
    podCidrv6: ipv6 === undefined ? '' : formatPrefix(ipv6),
    flannel: { backend: 'vxlan', enableNFTables: kubernetes.kubeProxy === 'nftables' },
  };
}
