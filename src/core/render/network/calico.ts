import { type Family, familyOf, formatPrefix } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { apiAddress } from './api-address.ts';

const DATAPLANES = { iptables: 'Iptables', ipvs: 'Iptables', nftables: 'Nftables', none: 'BPF' } as const;

/** Calico's own defaults; a node gets more blocks when one is full. */
const BLOCK_SIZE: Record<Family, number> = { IPv4: 26, IPv6: 122 };

/** `spec` of an Installation (docs.tigera.io/calico 3.32, "Installation reference"). */
export function calicoInstallation({ kubernetes }: Cluster): Record<string, unknown> {
  return {
    calicoNetwork: {
      linuxDataplane: DATAPLANES[kubernetes.kubeProxy],
      bgp: 'Disabled',
      ipPools: kubernetes.podSubnets.map((prefix) => ({
        name: `default-${familyOf(prefix.address).toLowerCase()}-ippool`,
        cidr: formatPrefix(prefix),
        blockSize: BLOCK_SIZE[familyOf(prefix.address)],
        encapsulation: 'VXLANCrossSubnet',
        natOutgoing: 'Enabled',
        nodeSelector: 'all()',
      })),
    },
  };
}

/** The resources that the operator acts on. */
export function calicoResources(cluster: Cluster): object[] {
  const resource = (kind: string, spec: object) => ({
    apiVersion: 'operator.tigera.io/v1',
    kind,
    metadata: { name: 'default' },
    spec,
  });
  return [resource('Installation', calicoInstallation(cluster)), resource('APIServer', {})];
}

/** Where the operator and Calico's node agents find the API when they carry the Services themselves ("Install in eBPF mode"). */
export function calicoEndpoint(cluster: Cluster): object {
  const { host, port } = apiAddress(cluster);
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kubernetes-services-endpoint', namespace: 'tigera-operator' },
    data: { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: `${port}` },
  };
}
