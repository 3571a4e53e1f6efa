import { type Family, familyOf, formatPrefix, type Prefix, parsePrefix, prefixContains, subnetBounds } from '../../base/address.ts';
import { JITTER_FACTOR } from '../election/timing.ts';
import { distributionFindings } from './distribution-checks.ts';
import { healFindings } from './heal-checks.ts';
import { hostGroups, mayHold, onWire, type PlacedHost } from './holders.ts';
import { type Finding, finding, type Path, pathText } from './problems.ts';
import { providerFindings } from './provider-checks.ts';
import { routingFindings } from './routing-checks.ts';
import type { Cluster } from './schema.ts';
import { storageFindings } from './storage-checks.ts';
import { subnetFindings } from './subnets.ts';
import { parseHostPort } from './values.ts';

/*
 * The rules that span several keys of a cluster.yaml whose keys and values are right by themselves.
 * The address moves between hosts by ARP or NDP, so it has to be in the subnet of each of them.
 */

/** `isWritten` tells what the file itself says from what is a default, so that a conflict is shown where it can be mended. */
export function clusterFindings(cluster: Cluster, isWritten: (path: Path) => boolean): Finding[] {
  return [
    ...duplicates(cluster),
    ...cluster.endpoint.addresses.flatMap((address, i) => unusable(address, ['endpoint', 'address', i], 'an endpoint')),
    ...oneOfEachFamily(cluster.endpoint.addresses, { subject: 'the endpoint', things: 'addresses', path: ['endpoint', 'address'] }),
    ...oneOfEachFamilyOfSubnets(cluster),
    ...hostGroups(cluster).flat().flatMap(hostAddresses),
    ...cluster.endpoint.addresses.flatMap((address, i) => endpointAddress(cluster, address, ['endpoint', 'address', i])),
    ...heldPort(cluster, isWritten),
    ...unservedPort(cluster, isWritten),
    ...sharedPorts(cluster, isWritten),
    ...etcdEndpoints(cluster),
    ...electionRecord(cluster, isWritten),
    ...distributionFindings(cluster),
    ...providerFindings(cluster, isWritten),
    ...subnetFindings(cluster, isWritten),
    ...storageFindings(cluster),
    ...healFindings(cluster, isWritten),
    ...routingFindings(cluster, isWritten),
  ];
}

/**
 * What to know about an even number of hosts, which is right only while the members change: one more or one less at a time keeps
 * every majority of the old list in touch with every majority of the new one.
 */
export function evenHostsNote({ controlPlane: { hosts } }: Cluster): string | undefined {
  const count = hosts.length;
  if (count % 2 === 1) return undefined;
  const tolerated = count / 2 - 1;
  return `${count} hosts tolerate ${tolerated || 'no'} failed host${tolerated > 1 ? 's' : ''}, just like ${count - 1}: an even number is meant for the time of a change, see docs/guide/change-members.md`;
}

function duplicates(cluster: Cluster): Finding[] {
  const findings: Finding[] = [];
  const names = new Set<string>();
  const owners = new Map<string, string>();
  for (const {
    host: { name, addresses },
    path,
  } of hostGroups(cluster).flat()) {
    if (names.has(name)) findings.push(finding('cluster_duplicate_host_name', { path: [...path, 'name'], at: 'value' }, { name }));
    names.add(name);
    for (const [j, { address }] of addresses.entries()) {
      const other = owners.get(address);
      const place = { path: [...path, 'address', j], at: 'value' } as const;
      if (other !== undefined) findings.push(finding('cluster_duplicate_host_address', place, { address, host: name, other }));
      owners.set(address, other ?? name);
    }
  }
  return findings;
}

/** RFC 1122 section 3.2.1.3, RFC 4291 sections 2.5 and 2.7: addresses that no client can reach a host by. */
const UNUSABLE: readonly { prefix: Prefix; kind: string }[] = [
  ['0.0.0.0/32', 'the unspecified'],
  ['127.0.0.0/8', 'a loopback'],
  ['224.0.0.0/4', 'a multicast'],
  ['255.255.255.255/32', 'the limited broadcast'],
  ['::/128', 'the unspecified'],
  ['::1/128', 'the loopback'],
  ['::ffff:0:0/96', 'an IPv4-mapped'],
  ['fe80::/10', 'a link-local'],
  ['ff00::/8', 'a multicast'],
].map(([prefix, kind]) => ({ prefix: parsePrefix(prefix as string) as Prefix, kind: kind as string }));

function unusableKind(address: string): string | undefined {
  return UNUSABLE.find(({ prefix }) => prefixContains(prefix, address))?.kind;
}

function unusable(address: string, path: Path, subject: string): Finding[] {
  const kind = unusableKind(address);
  return kind === undefined ? [] : [finding('cluster_unusable_address', { path, at: 'value' }, { address, kind, subject })];
}

interface List {
  subject: string;
  things: 'addresses' | 'subnets';
  path: Path;
}

function oneOfEachFamily([first, second]: readonly string[], { subject, things, path }: List): Finding[] {
  if (first === undefined || second === undefined || familyOf(first) !== familyOf(second)) return [];
  return [finding('cluster_one_family', { path: [...path, 1], at: 'value' }, { subject, things, family: familyOf(first) })];
}

function oneOfEachFamilyOfSubnets({ kubernetes: { serviceSubnets, podSubnets } }: Cluster): Finding[] {
  return Object.entries({ serviceSubnet: serviceSubnets, podSubnet: podSubnets }).flatMap(([key, subnets]) =>
    oneOfEachFamily(
      subnets.map(({ address }) => address),
      { subject: `kubernetes.${key}`, things: 'subnets', path: ['kubernetes', key] },
    ),
  );
}

function hostAddresses({ host, path: at }: PlacedHost): Finding[] {
  const path = [...at, 'address'];
  const texts = host.addresses.map(({ address }) => address);
  const each = host.addresses.flatMap((prefix, i) => {
    const findings = unusable(prefix.address, [...path, i], 'a host');
    return findings.length > 0 ? findings : subnetEdge(prefix, prefix.address, { path: [...path, i], subject: 'a host' });
  });
  return [...each, ...oneOfEachFamily(texts, { subject: `host ${host.name}`, things: 'addresses', path })];
}

/** The first and last address of an IPv4 subnet, except in /31 (RFC 3021) and /32. */
function subnetEdge(prefix: Prefix, address: string, options: { path: Path; subject: string }): Finding[] {
  if (familyOf(prefix.address) === 'IPv6' || prefix.length > 30) return [];
  const { first, last } = subnetBounds(prefix);
  if (address !== first && address !== last) return [];
  const facts = { address, edge: address === first ? 'network' : 'broadcast', subnet: subnetText(prefix), subject: options.subject };
  return [finding('cluster_subnet_edge', { path: options.path, at: 'value' }, facts)];
}

function subnetText(prefix: Prefix): string {
  return formatPrefix({ address: subnetBounds(prefix).first, length: prefix.length });
}

/** What stands between one endpoint address and each host that might have to hold it. */
function endpointAddress(cluster: Cluster, address: string, path: Path): Finding[] {
  if (unusableKind(address) !== undefined || cluster.endpoint.provider === 'external') return [];
  const place = { path, at: 'value' } as const;
  const owner = hostGroups(cluster)
    .flat()
    .find(({ host }) => host.addresses.some((own) => own.address === address));
  if (owner !== undefined) return [finding('cluster_endpoint_is_host_address', place, { address, host: owner.host.name })];
  if (!onWire(cluster)) return routed(cluster, address);

  const family = familyOf(address);
  const hosts = mayHold(cluster);
  const lacking = hosts.flatMap((host) => familyMissing(host, { family, address }));
  const own = hosts
    .flatMap(({ host, path: at }) => host.addresses.map((prefix, i) => ({ host: host.name, prefix, path: [...at, 'address', i] })))
    .filter(({ prefix }) => familyOf(prefix.address) === family && unusableKind(prefix.address) === undefined);
  const away = own.filter(({ prefix }) => !prefixContains(prefix, address));
  if (away.length === own.length && away.length > 0) {
    const subnets = [...new Set(away.map(({ prefix }) => subnetText(prefix)))];
    return [...lacking, finding('cluster_endpoint_outside_subnets', place, { address, subnets })];
  }
  const elsewhere = away.map((one) => {
    const facts = { address, host: one.host, subnet: subnetText(one.prefix) };
    return finding('cluster_endpoint_outside_host_subnet', { path: one.path, at: 'value' }, facts);
  });
  const edges = own.flatMap(({ prefix }) => subnetEdge(prefix, address, { path, subject: 'an endpoint' }));
  return [...lacking, ...elsewhere, ...edges.slice(0, 1)];
}

/** A route to the address leads to an address of the host of the same family. */
function routed(cluster: Cluster, address: string): Finding[] {
  if (cluster.endpoint.provider !== 'hale') return [];
  return mayHold(cluster).flatMap((host) => familyMissing(host, { family: familyOf(address), address }));
}

function familyMissing({ host, path }: PlacedHost, { family, address }: { family: Family; address: string }): Finding[] {
  if (host.addresses.some((own) => familyOf(own.address) === family)) return [];
  const otherFamily = family === 'IPv4' ? 'IPv6' : 'IPv4';
  const place = { path: [...path, 'address'], at: 'value' } as const;
  return [finding('cluster_family_missing', place, { host: host.name, family, otherFamily, address })];
}

function heldPort({ endpoint, apiserver, datapath, haproxyKeepalived }: Cluster, isWritten: (path: Path) => boolean): Finding[] {
  const proxyBeside =
    endpoint.provider === 'hale'
      ? datapath === 'proxy'
      : endpoint.provider === 'haproxy-keepalived' && haproxyKeepalived.placement !== 'balancers';
  if (!proxyBeside || apiserver.bind !== 'all' || endpoint.port !== apiserver.port) return [];
  const keys = [ENDPOINT_PORT, APISERVER_PORT, ['apiserver', 'bind']];
  const path = keys.find(isWritten) ?? ENDPOINT_PORT;
  return [finding('cluster_port_held', { path, at: 'value' }, { port: endpoint.port })];
}

/** Steered packets keep address and port, so the API server itself must listen there. */
function unservedPort({ endpoint, apiserver, datapath }: Cluster, isWritten: (path: Path) => boolean): Finding[] {
  if (datapath !== 'dsr' || listensOnEndpoint({ endpoint, apiserver })) return [];
  const facts = { endpointPort: endpoint.port, port: apiserver.port, bind: apiserver.bind };
  const path = [APISERVER_BIND, ENDPOINT_PORT, APISERVER_PORT].find(isWritten) ?? ENDPOINT_PORT;
  return [finding('cluster_port_not_served', { path, at: 'value' }, facts)];
}

/** Whether the API servers accept connections to the shared address as it stands. */
export function listensOnEndpoint({ endpoint, apiserver }: Pick<Cluster, 'endpoint' | 'apiserver'>): boolean {
  return apiserver.bind === 'all' && endpoint.port === apiserver.port;
}

const APISERVER_BIND: Path = ['apiserver', 'bind'];
const ENDPOINT_PORT: Path = ['endpoint', 'port'];
const APISERVER_PORT: Path = ['apiserver', 'port'];
const ETCD_PORT: Path = ['etcd', 'clientPort'];
const METRICS: Path = ['agent', 'metricsAddress'];

/** agent.port is UDP and meets none of these; the endpoint and etcd listen on different addresses of a host. */
function sharedPorts({ endpoint, apiserver, agent, etcd }: Cluster, isWritten: (path: Path) => boolean): Finding[] {
  const metricsPort = parseHostPort(agent.metricsAddress)?.port;
  const etcdPort = etcd.topology === 'stacked' ? etcd.clientPort : undefined;
  const pairs = [
    { key: METRICS, other: ENDPOINT_PORT, clash: metricsPort === endpoint.port, port: endpoint.port },
    { key: METRICS, other: APISERVER_PORT, clash: metricsPort === apiserver.port, port: apiserver.port },
    { key: METRICS, other: ETCD_PORT, clash: metricsPort === etcdPort, port: etcd.clientPort },
    { key: APISERVER_PORT, other: ETCD_PORT, clash: apiserver.port === etcdPort, port: etcd.clientPort },
  ];
  return pairs
    .filter(({ clash }) => clash)
    .map(({ key, other, port }) => {
      const [path, taker] = isWritten(key) ? [key, other] : [other, key];
      return finding('cluster_port_shared', { path, at: 'value' }, { key: pathText(path), other: pathText(taker), port });
    });
}

function etcdEndpoints({ etcd }: Cluster): Finding[] {
  if (etcd.topology === 'external' && etcd.endpoints.length === 0) {
    return [finding('cluster_etcd_endpoints_missing', { path: ['etcd', 'topology'], at: 'value' })];
  }
  if (etcd.topology === 'stacked' && etcd.endpoints.length > 0) {
    return [finding('cluster_etcd_endpoints_unused', { path: ['etcd', 'endpoints'], at: 'key' })];
  }
  return [];
}

/** What client-go demands of its timings (NewLeaderElector), told before anything starts. */
function electionRecord({ election, lease }: Cluster, isWritten: (path: Path) => boolean): Finding[] {
  if (election === 'quorum' || election === 'vrrp')
    return isWritten(['lease']) ? [finding('cluster_lease_unused', { path: ['lease'], at: 'key' }, { election })] : [];
  const { durationSeconds, renewDeadlineSeconds, retryPeriodSeconds } = lease;
  const at = (...keys: string[]) => ({ path: keys.map((key) => ['lease', key]).find(isWritten) ?? ['lease'], at: 'value' as const });
  const findings: Finding[] = [];
  if (durationSeconds <= renewDeadlineSeconds)
    findings.push(
      finding('cluster_lease_duration', at('durationSeconds', 'renewDeadlineSeconds'), { durationSeconds, renewDeadlineSeconds }),
    );
  if (renewDeadlineSeconds <= retryPeriodSeconds * JITTER_FACTOR)
    findings.push(
      finding('cluster_lease_deadline', at('renewDeadlineSeconds', 'retryPeriodSeconds'), { renewDeadlineSeconds, retryPeriodSeconds }),
    );
  return findings;
}
