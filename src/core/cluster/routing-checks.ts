import { familyOf } from '../../base/address.ts';
import { shareLink } from './holders.ts';
import { type Finding, finding, type Path } from './problems.ts';
import type { Cluster } from './schema.ts';

type IsWritten = (path: Path) => boolean;

/** What VRRP and the announcement of routes lack, or cannot mean together. */
export function routingFindings(cluster: Cluster, isWritten: IsWritten): Finding[] {
  return [...unused(cluster, isWritten), ...vrrpFindings(cluster), ...advertiseFindings(cluster), ...bgpFindings(cluster)];
}

function unused({ election, advertise }: Cluster, isWritten: IsWritten): Finding[] {
  const section = (name: string, needs: string) => finding('cluster_section_unused', { path: [name], at: 'key' }, { section: name, needs });
  return [
    ...(election !== 'vrrp' && isWritten(['vrrp']) ? [section('vrrp', 'election: vrrp')] : []),
    ...(advertise === 'arp' && isWritten(['bgp']) ? [section('bgp', 'advertise: bgp')] : []),
  ];
}

function vrrpFindings({ election, endpoint, datapath, vrrp }: Cluster): Finding[] {
  if (election !== 'vrrp') return [];
  const at = (key: string, where: 'key' | 'value' = 'value') => ({ path: ['vrrp', key], at: where });
  const { version, advertisementIntervalMs: ms } = vrrp;
  const stepMs = version === 2 ? 1000 : 10;
  const ipv6 = endpoint.addresses.find((address) => familyOf(address) === 'IPv6');
  return [
    ...(ms % stepMs === 0 ? [] : [finding('cluster_vrrp_step', at('advertisementIntervalMs'), { ms, stepMs, version })]),
    ...(version === 2 && ipv6 !== undefined ? [finding('cluster_vrrp_two_ipv6', at('version'), { address: ipv6 })] : []),
    ...(version !== 2 && vrrp.passwordFile !== undefined ? [finding('cluster_vrrp_password', at('passwordFile', 'key'))] : []),
    ...(!vrrp.unicast && vrrp.peers.length > 0 ? [finding('cluster_vrrp_peers', at('peers', 'key'))] : []),
    ...(vrrp.virtualMac && vrrp.unicast
      ? [
          finding('cluster_vrrp_virtual_mac_one', at('virtualMac'), {
            because: 'with vrrp.unicast nobody would learn where that MAC address is',
          }),
        ]
      : []),
    ...(vrrp.virtualMac && endpoint.addresses.length > 1
      ? [
          finding('cluster_vrrp_virtual_mac_one', at('virtualMac'), {
            because: 'the endpoint has two addresses, which VRRP gives different MAC addresses',
          }),
        ]
      : []),
    ...(vrrp.virtualMac && datapath === 'dsr' ? [finding('cluster_vrrp_virtual_mac', at('virtualMac'))] : []),
  ];
}

function advertiseFindings(cluster: Cluster): Finding[] {
  const { advertise, election, datapath } = cluster;
  if (advertise === 'arp') return [];
  const facts = { advertise, election };
  return [
    ...(election === 'quorum' ? [] : [finding('cluster_advertise_election', { path: ['election'], at: 'value' }, facts)]),
    ...(datapath === 'dsr' && !shareLink(cluster) ? [finding('cluster_advertise_dsr', { path: ['datapath'], at: 'value' }, facts)] : []),
  ];
}

function bgpFindings(cluster: Cluster): Finding[] {
  if (cluster.advertise !== 'bgp') return [];
  const { bgp, controlPlane } = cluster;
  const names = controlPlane.hosts.map(({ name }) => name);
  if (bgp.peers.length === 0) return [finding('cluster_bgp_peers_missing', { path: ['advertise'], at: 'value' }, { host: undefined })];
  const alone = names.filter((name) => peersOf(cluster, name).length === 0);
  return [
    ...alone.map((host) => finding('cluster_bgp_peers_missing', { path: ['bgp', 'peers'], at: 'key' }, { host })),
    ...bgp.peers.flatMap((_, i) => peerFindings(cluster, i)),
  ];
}

type Peer = Cluster['bgp']['peers'][number];

/** The routers that a host talks to. */
export function peersOf({ bgp }: Pick<Cluster, 'bgp'>, host: string): Peer[] {
  return bgp.peers.filter(({ hosts }) => hosts?.includes(host) ?? true);
}

function peerFindings(cluster: Cluster, i: number): Finding[] {
  const { bgp, controlPlane, endpoint } = cluster;
  const peer = bgp.peers[i] as Peer;
  const { address } = peer;
  const at = (...keys: Path) => ({ path: ['bgp', 'peers', i, ...keys], at: 'value' as const });
  const isSecond = bgp.peers.findIndex((other) => other.address === address) < i;
  const owner = controlPlane.hosts.find(({ addresses }) => addresses.some((own) => own.address === address));
  const subject = endpoint.addresses.includes(address) ? 'the address of the endpoint' : owner && `host ${owner.name}`;
  const unknown = (peer.hosts ?? []).flatMap((host, j) =>
    controlPlane.hosts.some(({ name }) => name === host) ? [] : [finding('cluster_bgp_host_unknown', at('hosts', j), { host })],
  );
  const family = familyOf(address);
  const lacking = controlPlane.hosts.filter(
    ({ name, addresses }) => (peer.hosts?.includes(name) ?? true) && !addresses.some((own) => familyOf(own.address) === family),
  );
  return [
    ...(isSecond ? [finding('cluster_bgp_peer_twice', at('address'), { address })] : []),
    ...(subject === undefined ? [] : [finding('cluster_bgp_peer_self', at('address'), { address, subject })]),
    ...unknown,
    ...lacking.map(({ name }) => finding('cluster_bgp_family', at('address'), { host: name, peer: address, family })),
    ...(peer.bfd && bgp.gracefulRestartSeconds > 0 ? [finding('cluster_bgp_restart_bfd', at('bfd'), { peer: address })] : []),
  ];
}
