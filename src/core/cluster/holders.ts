import { prefixContains } from '../../base/address.ts';
import type { Path } from './problems.ts';
import type { Cluster, ClusterHost } from './schema.ts';

/** A host and where cluster.yaml has it. */
export interface PlacedHost {
  host: ClusterHost;
  path: Path;
}

function placed(hosts: readonly ClusterHost[], path: Path): PlacedHost[] {
  return hosts.map((host, i) => ({ host, path: [...path, i] }));
}

/** Every machine of the cluster: control plane, balancers, workers. */
export function hostGroups({ controlPlane, haproxyKeepalived, workers }: Cluster): PlacedHost[][] {
  return [
    placed(controlPlane.hosts, ['controlPlane', 'hosts']),
    placed(haproxyKeepalived.balancers, ['haproxyKeepalived', 'balancers']),
    placed(workers.hosts, ['workers', 'hosts']),
  ];
}

/** The hosts between which the address moves. */
export function mayHold(cluster: Cluster): PlacedHost[] {
  const [controlPlane, balancers] = hostGroups(cluster) as [PlacedHost[], PlacedHost[], PlacedHost[]];
  const { endpoint, haproxyKeepalived } = cluster;
  return endpoint.provider === 'haproxy-keepalived' && haproxyKeepalived.placement === 'balancers' ? balancers : controlPlane;
}

/** Whether the address is found by ARP or NDP, so that it must lie in the subnet of every host that may hold it. */
export function onWire({ endpoint: { provider }, kubeVip, nodeLocal, advertise }: Cluster): boolean {
  if (provider === 'external') return false;
  if (provider === 'kube-vip') return kubeVip.mode === 'arp';
  // With hale as the balancer of nodes, the agents of the control-plane hosts hold it too, for clients that are no nodes.
  if (provider === 'hale' || (provider === 'node-local' && nodeLocal.balancer === 'hale')) return advertise === 'arp';
  return provider !== 'node-local';
}

/** Whether the quorum lease has a part in who answers for the address. */
export function decidedByLease({ election, advertise }: Pick<Cluster, 'election' | 'advertise'>): boolean {
  return election !== 'vrrp' && advertise === 'arp';
}

/** Whether all control-plane hosts are in one subnet, so that a frame gets from each to each. */
export function shareLink({ controlPlane: { hosts } }: Pick<Cluster, 'controlPlane'>): boolean {
  const prefixes = hosts.flatMap(({ addresses }) => addresses.slice(0, 1));
  return prefixes.every((prefix) => prefixes.every(({ address }) => prefixContains(prefix, address)));
}
