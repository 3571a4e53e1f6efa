import { networkInterfaces } from 'node:os';
import { formatIp, parseIp } from '../base/address.ts';
import { HaleError } from '../base/error.ts';
import { virtualRouterId } from '../core/cluster/router-id.ts';
import type { Cluster, ClusterHost } from '../core/cluster/schema.ts';
import { virtualMacLink } from '../drivers/linux/virtual-mac.ts';

export interface Self {
  index: number;
  host: ClusterHost;
  /** The interface that will carry the shared address. */
  interfaceName: string;
}

/** Finds which host of the cluster this machine is, by its addresses, and the interface for the shared address. */
export function findSelf(cluster: Cluster, file: string): Self {
  const local = localAddresses();
  const hosts = cluster.controlPlane.hosts;
  const index = hosts.findIndex((host) => host.addresses.some(({ address }) => local.has(address)));
  const host = hosts[index];
  if (host === undefined) {
    throw new HaleError({
      code: 'not_a_member',
      kind: 'usage',
      message: `${file}: none of this machine's addresses (${[...local.keys()].join(', ')}) is the address of a host in controlPlane.hosts`,
      remedy: 'add this machine under controlPlane.hosts, or run hale agent --node, which is for machines that are not named there',
    });
  }
  const own = host.addresses.map(({ address }) => local.get(address)).find((name) => name !== undefined) as string;
  const interfaceName = cluster.endpoint.interface ?? own;
  if (networkInterfaces()[interfaceName] === undefined) {
    throw new HaleError({
      code: 'interface_missing',
      kind: 'world',
      message: `${file}: endpoint.interface: there is no interface ${interfaceName} that is up on this machine (there are ${[...new Set(local.values())].join(', ')})`,
      remedy: 'correct endpoint.interface, or bring the interface up: ip link set INTERFACE up',
    });
  }
  return { index, host, interfaceName };
}

/** The interface that carries the shared address: with a virtual MAC address one of its own. */
export function addressInterface({ election, vrrp, name }: Cluster, { interfaceName }: Self): string {
  if (election !== 'vrrp' || !vrrp.virtualMac) return interfaceName;
  return virtualMacLink(virtualRouterId({ name, chosen: vrrp.virtualRouterId }));
}

/** Throws HaleError `node_is_member` when this machine is a host of the cluster. */
export function refuseMember(cluster: Cluster, file: string): void {
  const local = localAddresses();
  const host = cluster.controlPlane.hosts.find(({ addresses }) => addresses.some(({ address }) => local.has(address)));
  if (host === undefined) return;
  throw new HaleError({
    code: 'node_is_member',
    kind: 'usage',
    message: `${file}: this machine has the address of ${host.name} in controlPlane.hosts`,
    remedy: 'run hale agent without --node, which steers the connections of this machine too',
  });
}

/** Address to interface name. */
function localAddresses(): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { address, internal } of addresses ?? []) {
      const bytes = parseIp(address);
      if (!internal && bytes !== undefined) found.set(formatIp(bytes), name);
    }
  }
  return found;
}
