import { familyOf, hostPort } from '../../../base/address.ts';
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import { because } from '../yaml.ts';

/** The name that kube-vip asks its own host's API server by: so the election does not need the address that it is about. */
export const OWN_API = 'kubernetes';

/** Where the authority's certificate is in the container, for the health check of BGP. */
export const HEALTH_CA = '/etc/kubernetes/pki/ca.crt';

type Variable = { name: string; value: string } | { name: string; valueFrom: { fieldRef: { fieldPath: string } } };

/** For whoever sees the manifest alone. */
const REASONS: Readonly<Record<string, string>> = {
  port: 'Of the address, and of the API server of this host: kube-vip passes nothing on.',
  vip_subnet: 'The address alone, or the host would take it for its own way into the network.',
  vip_leaseduration:
    'These three belong together (duration > deadline > 1.2 × period). Shorter ones move the address sooner, and also when etcd is merely slow.',
  bgp_routerid: 'Different on each host, or the routers refuse the second.',
  bgp_peers: 'address:AS:password:multihop, for each router.',
  control_plane_health_check_address:
    'No route before the first 200, and none after three failures: without this a host with a dead API server would keep its share of the connections.',
};

/** kube-vip's settings with their reasons, in the order of its own generator (pkg/kubevip/config_generator.go). A host is named where a Pod belongs to one. */
export function environment(cluster: Cluster, host?: { host: ClusterHost; index: number }): unknown[] {
  return variables(cluster, host).map((variable) => {
    const reason = REASONS[variable.name];
    return reason === undefined ? variable : because(reason, variable);
  });
}

function variables(cluster: Cluster, host?: { host: ClusterHost; index: number }): Variable[] {
  const { endpoint, apiserver, kubeVip } = cluster;
  const plain = (values: Record<string, string>): Variable[] => Object.entries(values).map(([name, value]) => ({ name, value }));
  const isArp = kubeVip.mode === 'arp';
  const device = isArp ? endpoint.interface : 'lo';
  return [
    ...plain({ vip_arp: `${isArp}`, port: `${apiserver.port}` }),
    { name: 'vip_nodename', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
    ...plain({
      ...(device === undefined ? {} : { vip_interface: device }),
      vip_subnet: endpoint.addresses.map((address) => (familyOf(address) === 'IPv4' ? '32' : '128')).join(','),
      dns_mode: 'first',
      cp_enable: 'true',
      cp_namespace: 'kube-system',
    }),
    ...(isArp ? plain(election(kubeVip)) : announcement(cluster, host)),
    ...plain({ address: endpoint.addresses.join(','), prometheus_server: ':2112' }),
  ];
}

function election({ leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds }: Cluster['kubeVip']): Record<string, string> {
  return {
    vip_leaderelection: 'true',
    vip_leasename: 'plndr-cp-lock',
    vip_leaseduration: `${leaseDurationSeconds}`,
    vip_renewdeadline: `${renewDeadlineSeconds}`,
    vip_retryperiod: `${retryPeriodSeconds}`,
  };
}

/** Every host announces the address by itself: without a check of its API server, also when that is dead. */
function announcement({ kubeVip: { bgp }, apiserver }: Cluster, host: { host: ClusterHost; index: number } | undefined): Variable[] {
  const peers = bgp.peers.map(({ address, as, multihop }) => `${bracketed(address)}:${as}::${multihop}`);
  return [
    { name: 'bgp_enable', value: 'true' },
    host === undefined
      ? { name: 'bgp_routerid', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }
      : { name: 'bgp_routerid', value: routerId(host) },
    ...Object.entries({
      bgp_as: `${bgp.localAs}`,
      bgp_peers: peers.join(','),
      control_plane_health_check_address: `https://${hostPort(OWN_API, apiserver.port)}/readyz`,
      control_plane_health_check_period_seconds: '2',
      control_plane_health_check_timeout_seconds: '3',
      control_plane_health_check_failure_threshold: '3',
      control_plane_health_check_ca_path: HEALTH_CA,
    }).map(([name, value]) => ({ name, value })),
  ];
}

/** 32 bits that no other speaker of the autonomous system has, written as an IPv4 address (RFC 6286). */
function routerId({ host: { addresses }, index }: { host: ClusterHost; index: number }): string {
  return addresses.find(({ address }) => familyOf(address) === 'IPv4')?.address ?? `0.0.0.${index + 1}`;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
