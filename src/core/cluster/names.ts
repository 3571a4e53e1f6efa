import { addressIn, hostPort } from '../../base/address.ts';
import type { Cluster } from './schema.ts';

/** The address of the Service `kubernetes`, in each family. */
export function serviceAddresses({ kubernetes }: Cluster): string[] {
  return kubernetes.serviceSubnets.map((subnet) => addressIn(subnet, 1));
}

/** The URL of the API that programs of this cluster use: of the address that moves. */
export function endpointUrl({ endpoint }: Cluster): string {
  return `https://${hostPort(endpoint.dnsName ?? (endpoint.addresses[0] as string), endpoint.port)}`;
}
