/** Kernel parameters that a host needs before anything is started on it (Documentation/networking/ip-sysctl.rst, ipvs-sysctl.rst), and the modules that bring them. */
import { familyOf } from '../../../base/address.ts';
import { mayHold, onWire } from '../../cluster/holders.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { runsAgent } from '../hale/part.ts';
import type { RenderedHost } from '../part.ts';

/** Lines that are there for one reason. */
export interface Setting {
  why: string;
  lines: readonly string[];
}

export function kernelParameters(cluster: Cluster, node: RenderedHost): Setting[] {
  return [
    ...(isNode(cluster, node) ? nodeParameters(cluster) : []),
    ...(isNode(cluster, node) && cluster.kubernetes.kubeProxy === 'ipvs' ? IPVS_PARAMETERS : []),
    ...(answersArp(cluster, node) ? ARP_PARAMETERS : []),
  ];
}

export function kernelModules(cluster: Cluster, node: RenderedHost): Setting[] {
  if (!isNode(cluster, node)) return [];
  return [
    { why: "Layers of images (containerd's overlayfs snapshotter).", lines: ['overlay'] },
    { why: 'Without it there is no net.bridge.* in 90-hale.conf of sysctl.d.', lines: ['br_netfilter'] },
    ...ipvsModules(cluster, node),
  ];
}

/** Whether Pods run on the hosts. With `systemd` hale brings no kubelet. */
export function hasNodes({ distribution }: Cluster): boolean {
  return distribution !== 'systemd';
}

function isNode(cluster: Cluster, { role }: RenderedHost): boolean {
  return role !== 'balancer' && hasNodes(cluster);
}

function nodeParameters({ kubernetes: { podSubnets } }: Cluster): Setting[] {
  const families = podSubnets.map(({ address }) => familyOf(address));
  const ipv6: Setting = {
    why: 'The same of IPv6. Linux then no longer follows router advertisements: an interface that has its default route from them\nneeds net.ipv6.conf.INTERFACE.accept_ra = 2 too.',
    lines: ['net.ipv6.conf.all.forwarding = 1'],
  };
  return [
    { why: 'Packets of Pods pass through their node. kubeadm refuses to go on without.', lines: ['net.ipv4.ip_forward = 1'] },
    ...(families.includes('IPv6') ? [ipv6] : []),
    {
      why: "Where Pods are on a bridge, as with Flannel, packets between those of one node must not pass by kube-proxy's rules.",
      lines: ['net.bridge.bridge-nf-call-iptables = 1', 'net.bridge.bridge-nf-call-ip6tables = 1'],
    },
  ];
}

const IPVS_PARAMETERS: readonly Setting[] = [
  {
    why: 'kube-proxy in mode ipvs sets these itself when it starts; here they hold from boot on. The minus: no error\nwhere ip_vs is not loaded yet. Translated packets are tracked, so that answers find back.',
    lines: ['-net.ipv4.vs.conntrack = 1'],
  },
  {
    why: 'Connections to a Pod that is gone end at once, instead of hanging until they time out.',
    lines: ['-net.ipv4.vs.expire_nodest_conn = 1', '-net.ipv4.vs.expire_quiescent_template = 1'],
  },
  {
    why: 'net.ipv4.vs.conn_reuse_mode is left to kube-proxy, which looks at the kernel: 0 before Linux 5.9, where 1 costs a second\nfor each reused port; 1, the default, since then. 0 there would send new connections to Pods that are gone.',
    lines: [],
  },
];

/** IPv6 asks in another way, to which no such parameters apply. hale's agents see to their address themselves. */
export function isFoundByArp(cluster: Cluster): boolean {
  return !runsAgent(cluster) && onWire(cluster) && cluster.endpoint.addresses.some((address) => familyOf(address) === 'IPv4');
}

function answersArp(cluster: Cluster, { host }: RenderedHost): boolean {
  return isFoundByArp(cluster) && mayHold(cluster).some((holder) => holder.host.name === host.name);
}

const ARP_PARAMETERS: readonly Setting[] = [
  {
    why: 'This host may hold the address of the endpoint. With several interfaces in one network, only the one that has an address\nanswers for it, and none asks in the name of another; with one interface it changes nothing.',
    lines: ['net.ipv4.conf.all.arp_ignore = 1', 'net.ipv4.conf.all.arp_announce = 2'],
  },
];

/** kube-proxy and lvscare cannot load them from within their containers on every system. */
function ipvsModules({ kubernetes: { kubeProxy }, endpoint, nodeLocal }: Cluster, { role }: RenderedHost): Setting[] {
  const lvscare = endpoint.provider === 'node-local' && nodeLocal.balancer === 'lvscare' && role === 'worker';
  if (kubeProxy !== 'ipvs' && !lvscare) return [];
  const why = `IPVS and its schedulers, for ${[...(kubeProxy === 'ipvs' ? ['kube-proxy'] : []), ...(lvscare ? ['lvscare'] : [])].join(' and ')}, which may not load them from within a container.`;
  return [{ why, lines: ['ip_vs', 'ip_vs_rr', 'ip_vs_wrr', 'ip_vs_sh', 'nf_conntrack'] }];
}
