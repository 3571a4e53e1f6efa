import type { Service } from '../service.ts';

/** `hale agent --node` on a host without a control plane (docs/guide/nodes.md). */
export function nodeAgentService(): Service {
  return {
    name: 'hale-agent',
    description: 'hale: connections of this node to the Kubernetes API',
    after: ['network-online.target'],
    unit: ['Before=kubelet.service k3s-agent.service rke2-agent.service'],
    type: 'exec',
    user: 'root',
    program: 'hale',
    arguments: ['agent', '--node', '--config', '/etc/hale/cluster.yaml'],
    writes: [],
    stopTimeoutSeconds: 10,
    // eBPF programs of a cgroup; finding those of an earlier run by their numbers takes CAP_SYS_ADMIN (bpf(2)).
    capabilities: ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN', 'CAP_SYS_RESOURCE', 'CAP_SYS_NICE'],
    hardening: {
      MemoryDenyWriteExecute: 'no',
      RestrictRealtime: 'no',
      // The programs are attached to the root of the control groups.
      ProtectControlGroups: 'no',
      SystemCallFilter: '@system-service bpf',
    },
    extra: ['RuntimeDirectory=hale', 'RuntimeDirectoryPreserve=yes', 'LimitMEMLOCK=infinity'],
  };
}
