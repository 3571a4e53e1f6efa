import { type Family, familyOf, formatPrefix, type Prefix, prefixContains } from '../../base/address.ts';
import { type Finding, finding, type Path } from './problems.ts';
import type { Cluster } from './schema.ts';

/*
 * What Kubernetes demands of the subnets of Services and Pods, told before a program refuses to start because of it.
 */

/** Prefix length of the part of podSubnet that a node gets (kube-controller-manager, --node-cidr-mask-size-ipv4 and -ipv6). */
const NODE_MASK: Readonly<Record<Family, number>> = { IPv4: 24, IPv6: 64 };
/** kube-controller-manager counts the parts of an IPv6 subnet in a bit map of at most so many bits (nodeipam, cidrset, clusterSubnetMaxDiff). */
const NODE_BITS_MAX = 16;
/** kube-apiserver wants room for 8 Services. */
const SERVICE_BITS_MIN = 3;

interface Subnet {
  key: 'serviceSubnet' | 'podSubnet';
  prefix: Prefix;
  path: Path;
}

export function subnetFindings(cluster: Cluster, isWritten: (path: Path) => boolean): Finding[] {
  const services = subnetsOf('serviceSubnet', cluster.kubernetes.serviceSubnets);
  const pods = subnetsOf('podSubnet', cluster.kubernetes.podSubnets);
  return [
    ...serviceFamily(cluster, { services, isWritten }),
    ...podFamilies(cluster, { services, pods }),
    ...services.flatMap(serviceRoom),
    ...pods.flatMap((pod) => podRoom(cluster, pod)),
    ...overlaps(cluster, { services, pods, isWritten }),
  ];
}

function subnetsOf(key: Subnet['key'], prefixes: readonly Prefix[]): Subnet[] {
  return prefixes.map((prefix, i) => ({ key, prefix, path: ['kubernetes', key, i] }));
}

const subnetFamily = ({ prefix }: Subnet): Family => familyOf(prefix.address);

interface Options {
  services: readonly Subnet[];
  pods: readonly Subnet[];
  isWritten: (path: Path) => boolean;
}

/** The Service `kubernetes` has the family of the first subnet, and leads to each API server's --advertise-address (kube-apiserver, validatePublicIPServiceClusterIPRangeIPFamilies). */
function serviceFamily({ controlPlane: { hosts } }: Cluster, { services, isWritten }: Omit<Options, 'pods'>): Finding[] {
  const [first] = services;
  if (first === undefined) return [];
  const others = hosts.flatMap(({ name, addresses: [own] }, i) => {
    if (own === undefined || familyOf(own.address) === subnetFamily(first)) return [];
    const facts = { host: name, address: own.address, family: familyOf(own.address), subnet: formatPrefix(first.prefix) };
    return [{ path: ['controlPlane', 'hosts', i, 'address', 0], facts }];
  });
  const [one] = others;
  if (one !== undefined && others.length === hosts.length) {
    const path = isWritten(['kubernetes', 'serviceSubnet']) ? first.path : one.path;
    return [finding('cluster_service_family', { path, at: 'value' }, one.facts)];
  }
  return others.map(({ path, facts }) => finding('cluster_service_family', { path, at: 'value' }, facts));
}

function podFamilies({ controlPlane: { hosts } }: Cluster, { services, pods }: Omit<Options, 'isWritten'>): Finding[] {
  const ofHosts = hosts.flatMap(({ name, addresses: [own] }) =>
    own === undefined ? [] : [{ family: familyOf(own.address), needs: `host ${name}, whose first address is ${own.address},` }],
  );
  const ofServices = services.map((subnet) => ({
    family: subnetFamily(subnet),
    needs: `kubernetes.serviceSubnet ${formatPrefix(subnet.prefix)}`,
  }));
  return (['IPv4', 'IPv6'] as const).flatMap((family) => {
    const needing = [...ofServices, ...ofHosts].find((one) => one.family === family);
    if (needing === undefined || pods.some((pod) => subnetFamily(pod) === family)) return [];
    return [finding('cluster_pod_family', { path: ['kubernetes', 'podSubnet'], at: 'value' }, needing)];
  });
}

/** Also so that the first address of the subnet, which is in certificates, is one of it. */
function serviceRoom(subnet: Subnet): Finding[] {
  const longest = bitsOf(subnet) - SERVICE_BITS_MIN;
  if (subnet.prefix.length <= longest) return [];
  return [finding('cluster_service_subnet_small', { path: subnet.path, at: 'value' }, { subnet: formatPrefix(subnet.prefix), longest })];
}

function podRoom({ controlPlane: { hosts } }: Cluster, pod: Subnet): Finding[] {
  const nodeLength = NODE_MASK[subnetFamily(pod)];
  const { length } = pod.prefix;
  const nodes = length > nodeLength ? 0 : 2 ** (nodeLength - length);
  const place = { path: pod.path, at: 'value' } as const;
  const facts = { subnet: formatPrefix(pod.prefix), nodeLength };
  if (nodes < hosts.length) {
    const longest = nodeLength - Math.ceil(Math.log2(hosts.length));
    return [finding('cluster_pod_subnet_small', place, { ...facts, nodes, hosts: hosts.length, longest })];
  }
  if (subnetFamily(pod) === 'IPv4' || nodeLength - length <= NODE_BITS_MAX) return [];
  return [finding('cluster_pod_subnet_large', place, { ...facts, shortest: nodeLength - NODE_BITS_MAX })];
}

function bitsOf(subnet: Subnet): number {
  return subnetFamily(subnet) === 'IPv4' ? 32 : 128;
}

/** What has an address of Services or Pods, kube-proxy and the pod network take for one of theirs. */
function overlaps({ controlPlane, endpoint }: Cluster, { services, pods, isWritten }: Options): Finding[] {
  const clashes = pods.flatMap((pod) =>
    services
      .filter((service) => prefixContains(service.prefix, pod.prefix.address) || prefixContains(pod.prefix, service.prefix.address))
      .map((service) => {
        const { path } = isWritten(['kubernetes', 'podSubnet']) ? pod : service;
        const facts = { podSubnet: formatPrefix(pod.prefix), serviceSubnet: formatPrefix(service.prefix) };
        return finding('cluster_subnets_overlap', { path, at: 'value' }, facts);
      }),
  );
  const addresses = [
    ...endpoint.addresses.map((address, i) => ({ address, path: ['endpoint', 'address', i], subject: 'the endpoint address' })),
    ...controlPlane.hosts.flatMap(({ name, addresses: own }, h) =>
      own.map(({ address }, i) => ({ address, path: ['controlPlane', 'hosts', h, 'address', i], subject: `host ${name}'s address` })),
    ),
  ];
  const within = [...services, ...pods].flatMap(({ key, prefix }) =>
    addresses
      .filter(({ address }) => prefixContains(prefix, address))
      .map(({ address, path, subject }) =>
        finding('cluster_address_in_subnet', { path, at: 'value' }, { subject, address, key, subnet: formatPrefix(prefix) }),
      ),
  );
  return [...clashes, ...within];
}
