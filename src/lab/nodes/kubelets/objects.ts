/** The objects of the API that kubelets write and read, as far as the lab looks at them. */
import type { NodePlan } from '../plan.ts';

export interface NodeObject {
  kind?: string;
  metadata: { name: string; resourceVersion?: string };
  spec?: { podCIDR?: string; taints?: readonly { key: string; effect: string }[] };
  status?: { conditions?: readonly { type: string; status: string }[]; nodeInfo?: { bootID?: string } };
}

export interface PodObject {
  metadata: { name: string; namespace: string; deletionTimestamp?: string };
  spec: { nodeName?: string };
  status?: { phase?: string; containerStatuses?: readonly { restartCount: number }[] };
}

/** `kubectl get nodes` then says who stands in; nothing of Kubernetes looks at it. */
export interface Versions {
  kwok: string;
}

const CONDITIONS = [
  { type: 'Ready', status: 'True', reason: 'KubeletReady' },
  { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' },
  { type: 'DiskPressure', status: 'False', reason: 'KubeletHasNoDiskPressure' },
  { type: 'PIDPressure', status: 'False', reason: 'KubeletHasSufficientPID' },
  { type: 'NetworkUnavailable', status: 'False', reason: 'RouteCreated' },
];

/** What a kubelet knows when its host has started. */
export interface Life {
  versions: Versions;
  bootId: string;
  /** ISO 8601. */
  now: string;
}

const CAPACITY = { cpu: '8', memory: '32Gi', pods: '110' };

/** A Node as its kubelet registers it. The labels are those of kubernetes.io, "Well-Known Labels". */
export function nodeObject({ name, role, zone, addresses }: NodePlan, life: Life): object {
  const times = { lastHeartbeatTime: life.now, lastTransitionTime: life.now };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      // kwok's own mark of a node that is none.
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        // Of a kubelet's too: without them the controller manager would add them, to one node after the other.
        'beta.kubernetes.io/os': 'linux',
        'beta.kubernetes.io/arch': 'amd64',
        'topology.kubernetes.io/region': 'lab',
        'topology.kubernetes.io/zone': zone,
        [`node-role.kubernetes.io/${role}`]: '',
      },
    },
    spec: {
      providerID: `hale-lab://${name}`,
      taints: taintsOf(role),
    },
    status: {
      conditions: CONDITIONS.map((condition) => ({ ...condition, message: 'kwok stands in for kubelet', ...times })),
      capacity: CAPACITY,
      allocatable: CAPACITY,
      addresses: [...addresses.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: name }],
      nodeInfo: nodeInfo(life),
    },
  };
}

export function nodeInfo({ versions, bootId }: Pick<Life, 'versions' | 'bootId'>): object {
  const kwok = `kwok-${versions.kwok}`;
  return {
    architecture: 'amd64',
    operatingSystem: 'linux',
    bootID: bootId,
    machineID: '',
    systemUUID: '',
    kernelVersion: kwok,
    osImage: `kwok ${versions.kwok}, no machine`,
    containerRuntimeVersion: `kwok://${versions.kwok}`,
    kubeletVersion: kwok,
    kubeProxyVersion: kwok,
  };
}

/** Those that are meant. */
export function taintsOf(role: NodePlan['role']): object[] {
  return role === 'control-plane' ? [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] : [];
}

/** Ready, with addresses for Pods, and no taint keeps Pods away but one that is meant. */
export function isInService({ spec, status }: NodeObject): boolean {
  const ready = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
  return (
    ready &&
    spec?.podCIDR !== undefined &&
    !(spec.taints ?? []).some(({ key }) => key === 'node.kubernetes.io/not-ready' || key === 'node.kubernetes.io/unreachable')
  );
}

/** What a Pod's containers are right after their node has started again: none has become ready yet, and each was started once more. */
export function restarted({ status }: PodObject): object {
  const unready = { status: 'False', reason: 'ContainersNotReady' };
  return {
    status: {
      conditions: ['ContainersReady', 'Ready'].map((type) => ({ type, ...unready })),
      containerStatuses: (status?.containerStatuses ?? []).map((one) => ({ ...one, ready: false, restartCount: one.restartCount + 1 })),
    },
  };
}
