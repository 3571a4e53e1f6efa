import type { Cluster } from '../../cluster/schema.ts';

/** Where a program on any node finds the API while nobody carries Services yet, and why there. */
export interface ApiAddress {
  host: string;
  port: number;
  /** A sentence for comments. */
  why: string;
}

/** Port on 127.0.0.1 of every k3s and RKE2 host: on agents of their own balancer, on servers of the API server (docs.k3s.io and docs.rke2.io, "Architecture"). */
const OWN_BALANCER = { k3s: 6444, rke2: 6443 } as const;

/**
 * Never the address of one API server: what is started while that one is down would not start
 * (https://github.com/cilium/cilium/issues/19038).
 */
export function apiAddress({ distribution, endpoint, nodeLocal }: Cluster): ApiAddress {
  const onEveryNode = endpoint.provider === 'node-local' && (nodeLocal.balancer === 'nginx' || nodeLocal.balancer === 'haproxy');
  if (onEveryNode && (distribution === 'k3s' || distribution === 'rke2'))
    return {
      host: '127.0.0.1',
      port: OWN_BALANCER[distribution],
      why: `On every host ${distribution} itself answers here: on agents its balancer of all servers, on servers their own API server.`,
    };
  if (onEveryNode)
    return {
      host: endpoint.dnsName as string,
      port: endpoint.port,
      why: `On workers /etc/hosts leads the name to the balancer on 127.0.0.1, on control-plane hosts to the host itself.`,
    };
  return {
    host: endpoint.addresses[0] as string,
    port: endpoint.port,
    why: 'The address that every API server is reached at: it outlives each of them.',
  };
}
