import { addressIn, parseIp, type Prefix } from '../../base/address.ts';
import type { Cluster, ClusterHost } from '../cluster/schema.ts';
import { GROUPS } from './model.ts';

/** The same cluster with another number of control-plane hosts, for comparison. Undefined beyond 1 to 7. */
export function withMembers(cluster: Cluster, wanted: number): Cluster | undefined {
  if (wanted < 1 || wanted > 7) return undefined;
  let hosts: readonly ClusterHost[] = cluster.controlPlane.hosts;
  while (hosts.length > wanted) hosts = without(hosts);
  while (hosts.length < wanted) hosts = [...hosts, another(hosts)];
  return { ...cluster, controlPlane: { ...cluster.controlPlane, hosts: [...hosts] } };
}

/** The last of the hosts in the fullest zone leaves. */
function without(hosts: readonly ClusterHost[]): ClusterHost[] {
  const crowd = ({ zone }: ClusterHost) => hosts.filter((other) => other.zone === zone).length;
  const fullest = Math.max(...hosts.map(crowd));
  const leaving = hosts.findLast((host) => crowd(host) === fullest);
  return hosts.filter((host) => host !== leaving);
}

/** A new host comes where the fewest are, among the zones, racks and switches that there are. */
function another(hosts: readonly ClusterHost[]): ClusterHost {
  const places = GROUPS.map((group) => [group, emptiest(hosts.map((host) => host[group]))] as const);
  return {
    name: `added-${hosts.length + 1}`,
    addresses: [spareAddress(hosts)],
    ...Object.fromEntries(places.filter(([, name]) => name !== undefined)),
  };
}

function emptiest(names: readonly (string | undefined)[]): string | undefined {
  const known = [...new Set(names.filter((name) => name !== undefined))];
  return known.toSorted((a, b) => names.filter((name) => name === a).length - names.filter((name) => name === b).length)[0];
}

/** Only so that it is a host; nothing connects to it. */
function spareAddress(hosts: readonly ClusterHost[]): Prefix {
  const first = hosts[0]?.addresses[0] as Prefix;
  const isIpv4 = parseIp(first.address)?.length === 4;
  return { address: addressIn({ address: first.address, length: isIpv4 ? 24 : 64 }, 200 + hosts.length), length: first.length };
}
