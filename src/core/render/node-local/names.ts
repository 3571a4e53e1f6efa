import { assert } from '../../../base/assert.ts';
import { familyOf } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import type { RenderedHost } from '../part.ts';

/** Whole fragments for /etc/hosts, which has lines of others too: the marks let a later run replace its own. */
export const HOSTS = '/etc/hale/hosts';
/** The same for the time until a host has an API server or a balancer of its own. */
export const HOSTS_JOIN = '/etc/hale/hosts.join';

/** Puts a fragment into /etc/hosts in place of an earlier one. */
export function useHosts(path: string): string {
  return `sed -i '/^# hale: begin/,/^# hale: end/d' /etc/hosts && cat ${path} >>/etc/hosts`;
}

/** What the name of the endpoint stands for on this host: its own API server, or its own balancer. */
export function hostsFiles(cluster: Cluster, { host, role, index }: RenderedHost): RenderedFile[] {
  const own = role === 'control-plane' ? host.addresses.map(({ address }) => address) : balancerAddresses(cluster);
  const whose = role === 'control-plane' ? 'the API server of this host' : 'the balancer of this host';
  const fragment = fragmentFile(cluster, { path: HOSTS, addresses: own, why: `${whose}.` });
  if (role === 'control-plane' && index === 0) return [fragment];
  const first = cluster.controlPlane.hosts[0]?.addresses.map(({ address }) => address) ?? [];
  const why = `until ${whose} runs, the first control-plane host. kubelet starts that only after it has joined, for which it needs the API.`;
  return [fragment, fragmentFile(cluster, { path: HOSTS_JOIN, addresses: first, why })];
}

function fragmentFile(
  { endpoint: { dnsName } }: Cluster,
  options: { path: string; addresses: readonly string[]; why: string },
): RenderedFile {
  assert(dnsName !== undefined, 'a check demands a name with this provider');
  const lines = [
    '# hale: begin. Made by hale from cluster.yaml.',
    `# ${dnsName}: ${options.why}`,
    ...options.addresses.map((address) => `${address} ${dnsName}`),
    '# hale: end',
  ];
  return { path: options.path, text: `${lines.join('\n')}\n`, mode: 0o644 };
}

/** With lvscare the kernel takes connections to the address itself. */
function balancerAddresses({ endpoint, nodeLocal }: Cluster): readonly string[] {
  return nodeLocal.balancer === 'lvscare' ? endpoint.addresses.slice(0, 1) : loopbacks(endpoint.addresses);
}

/** 127.0.0.1, ::1 or both. */
export function loopbacks(addresses: readonly string[]): string[] {
  return addresses.map((address) => (familyOf(address) === 'IPv4' ? '127.0.0.1' : '::1'));
}
