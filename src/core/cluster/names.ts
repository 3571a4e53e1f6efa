import { addressIn, hostPort } from '../../base/address.ts';
import type { Target } from '../balancer/plan.ts';
import type { Cluster } from './schema.ts';

/** The address of the Service `kubernetes`, in each family. */
export function serviceAddresses({ kubernetes }: Cluster): string[] {
  return kubernetes.serviceSubnets.map((subnet) => addressIn(subnet, 1));
}

/** Where the API server of each host is, in their order. */
export function apiserverTargets({ controlPlane, apiserver }: Cluster): Target[] {
  return controlPlane.hosts.map(({ name, addresses }) => ({ name, address: addresses[0]?.address as string, port: apiserver.port }));
}

/** What programs of this cluster call the endpoint: its name where it has one, which can move. */
export function endpointHost({ endpoint }: Pick<Cluster, 'endpoint'>): string {
  return endpoint.dnsName ?? (endpoint.addresses[0] as string);
}

/** The URL of the API that programs of this cluster use: of the address that moves. */
export function endpointUrl(cluster: Pick<Cluster, 'endpoint'>): string {
  return `https://${hostPort(endpointHost(cluster), cluster.endpoint.port)}`;
}
