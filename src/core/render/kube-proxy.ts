/** What kube-proxy is told, by kubeadm's document or by the flags of k3s and RKE2. */
import { familyOf } from '../../base/address.ts';
import { onWire } from '../cluster/holders.ts';
import type { Cluster } from '../cluster/schema.ts';

export interface KubeProxySettings {
  mode: Exclude<Cluster['kubernetes']['kubeProxy'], 'none'>;
  /** Leaves ARP requests for addresses that are not on the interface alone; for `ipvs`, which has all Services' addresses on one interface. */
  strictArp: boolean;
  /** Virtual servers of others, which kube-proxy with `ipvs` would remove. */
  excludeCidrs: string[];
}

/** Undefined where something else carries connections to Services. */
export function kubeProxySettings(cluster: Cluster): KubeProxySettings | undefined {
  const { kubeProxy: mode } = cluster.kubernetes;
  if (mode === 'none') return undefined;
  const ipvs = mode === 'ipvs';
  return {
    mode,
    strictArp: ipvs && onWire(cluster),
    excludeCidrs: ipvs && balancesByIpvs(cluster) ? cluster.endpoint.addresses.map(hostPrefix) : [],
  };
}

/** Whether the provider has a virtual server of its own for the address, or has it as soon as its balancing is switched on. */
function balancesByIpvs({ endpoint: { provider }, datapath, nodeLocal: { balancer } }: Cluster): boolean {
  if (provider === 'hale') return datapath === 'ipvs';
  return provider === 'kube-vip' || (provider === 'node-local' && balancer === 'lvscare');
}

function hostPrefix(address: string): string {
  return `${address}/${familyOf(address) === 'IPv4' ? 32 : 128}`;
}
