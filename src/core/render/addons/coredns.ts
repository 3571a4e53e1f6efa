import type { Cluster } from '../../cluster/schema.ts';

const LABELS = { 'k8s-app': 'kube-dns' };

function constraint(topologyKey: string, whenUnsatisfiable: 'DoNotSchedule' | 'ScheduleAnyway'): object {
  return {
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable,
    labelSelector: { matchLabels: LABELS },
    // Hosts whose taints CoreDNS does not tolerate are no place for it, and Pods of an older ReplicaSet are about to go.
    nodeTaintsPolicy: 'Honor',
    matchLabelKeys: ['pod-template-hash'],
  };
}

/** CoreDNS over hosts and zones: hosts must differ, zones should. */
export function spreadConstraints(): object[] {
  return [constraint('kubernetes.io/hostname', 'DoNotSchedule'), constraint('topology.kubernetes.io/zone', 'ScheduleAnyway')];
}

/** A strategic merge patch of the Deployment `coredns` in kube-system. */
export function spreadPatch(): object {
  return { spec: { template: { spec: { topologySpreadConstraints: spreadConstraints() } } } };
}

/** Whether CoreDNS is to be patched: k3s brings these constraints itself, RKE2 takes them as values of its chart. */
export function isPatched({ distribution, controlPlane, workers }: Cluster): boolean {
  return (distribution === 'kubeadm' || distribution === 'systemd') && hasZones({ controlPlane, workers });
}

export function hasZones({ controlPlane, workers }: Pick<Cluster, 'controlPlane' | 'workers'>): boolean {
  return [...controlPlane.hosts, ...workers.hosts].some(({ zone }) => zone !== undefined);
}
