import type { Cluster } from '../cluster/schema.ts';

/** What clients may call an API server, so that its certificate names it whichever host they meet: the endpoint, every control-plane host, the host itself. Nothing twice. */
export function servedNames({ endpoint, controlPlane }: Cluster): string[] {
  const hosts = controlPlane.hosts.flatMap(({ name, addresses }) => [name, ...addresses.map(({ address }) => address)]);
  const names = endpoint.dnsName === undefined ? [] : [endpoint.dnsName];
  return [...new Set([...endpoint.addresses, ...names, ...hosts, 'localhost', '127.0.0.1', '::1'])];
}
