import type { Cluster } from '../../cluster/schema.ts';

/** Where a program on any node finds the API while nobody carries Services yet, and why there. */
export interface ApiAddress {
  host: string;
  port: number;
  /** A sentence for comments. */
  why: string;
}

/**
 * Never the address of one API server: what is started while that one is down would not start
 * (https://github.com/cilium/cilium/issues/19038).
 */
export function apiAddress({ endpoint, nodeLocal }: Cluster): ApiAddress {
  const { provider, dnsName, port } = endpoint;
  if (provider === 'node-local' && nodeLocal.balancer !== 'hale')
    return {
      host: dnsName as string,
      port,
      why: `On workers /etc/hosts leads this name to the balancer of the node, on control-plane hosts to the host itself.`,
    };
  return {
    host: endpoint.addresses[0] as string,
    port,
    why: 'Every API server is reached at this address: it outlives each of them.',
  };
}
