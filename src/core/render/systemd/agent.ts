import type { Cluster } from '../../cluster/schema.ts';
import type { Service } from '../service.ts';

/** Units of Kubernetes on a host, whatever set it up: the address must not wait for them, and they may wait for it. */
const KUBERNETES_UNITS = ['etcd.service', 'kube-apiserver.service', 'kubelet.service', 'k3s.service', 'rke2-server.service'];

/** Its own guardian, a process of the same control group, ends by itself within this time after the agent (docs/decisions/0005-guardian.md). */
const STOP_SECONDS = 30;

/** `hale agent` on a control-plane host. */
export function agentService(cluster: Cluster): Service {
  const {
    etcd: { snapshots },
    advertise,
    bgp,
  } = cluster;
  const modules = modulesOf(cluster);
  const daemon = advertise === 'frr' || advertise === 'bird' ? DAEMONS[advertise] : undefined;
  const savesToFolder = snapshots.everyMinutes !== undefined && snapshots.s3 === undefined;
  return {
    name: 'hale-agent',
    description: 'hale agent: holds the address of the Kubernetes API',
    // nftables.service empties the whole ruleset when it starts.
    after: ['network-online.target', 'nftables.service', ...modules, ...(daemon === undefined ? [] : [daemon.unit])],
    // The agent may not load modules.
    unit: [`Before=${KUBERNETES_UNITS.join(' ')}`, ...modules.map((module) => `Wants=${module}`)],
    type: 'exec',
    user: 'root',
    program: 'hale',
    arguments: ['agent', '--config', '/etc/hale/cluster.yaml'],
    writes: savesToFolder ? [snapshots.folder] : [],
    stopTimeoutSeconds: STOP_SECONDS + (advertise === 'arp' ? 0 : bgp.drainSeconds),
    capabilities: CAPABILITIES,
    hardening: WEAKER,
    extra: [
      ...(daemon === undefined ? [] : [`SupplementaryGroups=${daemon.groups}`]),
      // rp_filter, arp_ignore and forwarding; the other kernel parameters stay protected.
      'ReadWritePaths=/proc/sys/net',
      // SIGTERM reaches the guardian too, which ignores it and sees the agent out. With `mixed` it would be killed in the moment the agent dies.
      'KillMode=control-group',
      // When the kernel kills one of the two for want of memory, the other goes on.
      'OOMPolicy=continue',
      'OOMScoreAdjust=-998',
      // The lock of a guardian that still works must be found by the next one.
      'RuntimeDirectory=hale',
      'RuntimeDirectoryPreserve=yes',
      'LimitNOFILE=1048576',
      // Before Linux 5.11 maps of eBPF count as locked memory.
      'LimitMEMLOCK=infinity',
    ],
  };
}

/** Their control sockets are open to their groups, and root without all capabilities is like anybody else. */
const DAEMONS = {
  frr: { unit: 'frr.service', groups: 'frr frrvty' },
  bird: { unit: 'bird.service', groups: 'bird' },
} as const;

function modulesOf({ datapath, election, vrrp }: Cluster): string[] {
  return [
    ...(datapath === 'ipvs' ? ['modprobe@ip_vs.service'] : []),
    ...(election === 'vrrp' && vrrp.virtualMac ? ['modprobe@macvlan.service'] : []),
  ];
}

const CAPABILITIES = [
  // Addresses, nftables, IPVS, tc, and eBPF programs that see packets.
  'CAP_NET_ADMIN',
  // ARP, neighbour discovery and whatever else goes out of packet sockets.
  'CAP_NET_RAW',
  // The endpoint's port may be 443.
  'CAP_NET_BIND_SERVICE',
  // eBPF. CAP_BPF would do for making programs, but not for finding those of an earlier run by their numbers (bpf(2), BPF_PROG_GET_FD_BY_ID).
  'CAP_SYS_ADMIN',
  // SCHED_FIFO.
  'CAP_SYS_NICE',
  // The guardian's oom_score_adj of -1000.
  'CAP_SYS_RESOURCE',
];

const WEAKER = {
  // A renewal that waits for ordinary work comes too late.
  RestrictRealtime: 'no',
  // V8 compiles, and so do the calls of the C library.
  MemoryDenyWriteExecute: 'no',
  // Packet sockets.
  RestrictAddressFamilies: 'AF_INET AF_INET6 AF_UNIX AF_NETLINK AF_PACKET',
  SystemCallFilter: '@system-service bpf',
} as const;
