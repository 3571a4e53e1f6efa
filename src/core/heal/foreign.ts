import type { NodeFacts } from './facts.ts';
import { MAINTENANCE, remedyOf } from './record.ts';

/* Whose work on a node healing must not disturb: that of people, and of other controllers. */

/** Taints by which other controllers say that they take a node away: Karpenter, cluster-autoscaler, medik8s' NodeMaintenance, Cluster API, spot interruptions. */
const TAINTS: Readonly<Record<string, string>> = {
  'karpenter.sh/disrupted': 'Karpenter',
  'karpenter.sh/disruption': 'Karpenter',
  ToBeDeletedByClusterAutoscaler: 'cluster-autoscaler',
  'medik8s.io/drain': 'NodeMaintenance of medik8s',
  'remediation.medik8s.io/self-node-remediation': 'SelfNodeRemediation of medik8s',
  'node.cluster.x-k8s.io/uninitialized': 'Cluster API',
  'node.kubernetes.io/out-of-service': 'somebody who declared it out of service',
};

/** Annotations and labels by which they say that they work on it; with the value that says so, where not every one does. */
const MARKS: Readonly<Record<string, { by: string; values?: readonly string[]; notValues?: readonly string[] }>> = {
  'weave.works/kured-reboot-in-progress': { by: 'kured' },
  'kured.dev/reboot-in-progress': { by: 'kured' },
  'cluster.x-k8s.io/remediate-machine': { by: 'Cluster API' },
  'cluster.x-k8s.io/delete-machine': { by: 'Cluster API' },
  'machineconfiguration.openshift.io/state': { by: "OpenShift's machine-config-operator", notValues: ['Done', ''] },
  'upgrade.cattle.io/drain-in-progress': { by: 'system-upgrade-controller' },
  'flatcar-linux-update.v1.flatcar-linux.net/reboot-in-progress': { by: 'Flatcar Linux Update Operator', values: ['true'] },
  'remediation.medik8s.io/exclude-from-remediation': { by: 'whoever excluded it from remediation', values: ['true'] },
};

/** Who works on the node and is not healing, in words; undefined when nobody does. */
export function workedOnBy(node: NodeFacts): string | undefined {
  const { annotations, labels, taints, unschedulable } = node;
  const record = remedyOf(node);
  const byHand = annotations[MAINTENANCE];
  if (byHand !== undefined) return `hale node: ${byHand}`;
  const taint = taints.find(
    ({ key }) => TAINTS[key] !== undefined && !(key === 'node.kubernetes.io/out-of-service' && record?.tainted === true),
  );
  if (taint !== undefined) return `${TAINTS[taint.key]} (taint ${taint.key})`;
  for (const [key, { by, values, notValues }] of Object.entries(MARKS)) {
    const value = annotations[key] ?? labels[key];
    if (value === undefined || values?.includes(value) === false || notValues?.includes(value) === true) continue;
    return `${by} (${key})`;
  }
  if (unschedulable && record?.cordoned !== true) return 'whoever cordoned it';
  return undefined;
}
