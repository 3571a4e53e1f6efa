import type { Cluster } from '../../cluster/schema.ts';

/** StorageClasses (kubernetes.io, "Storage Classes"), each volume in the zone of the Pod that needs it. */
export function storageClassObjects({ storageClasses }: Cluster): object[] {
  return storageClasses.map((one) => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name: one.name,
      ...(one.default ? { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } } : {}),
    },
    provisioner: one.provisioner,
    ...(one.parameters.length > 0 ? { parameters: Object.fromEntries(one.parameters.map(({ name, value }) => [name, value])) } : {}),
    reclaimPolicy: 'Delete',
    allowVolumeExpansion: true,
    volumeBindingMode: 'WaitForFirstConsumer',
    ...(one.zones.length > 0 ? { allowedTopologies: [{ matchLabelExpressions: [{ key: one.zoneKey, values: one.zones }] }] } : {}),
  }));
}

export const STORAGE_CLASS_COMMENT = `Made by hale from cluster.yaml (storageClasses).
volumeBindingMode WaitForFirstConsumer: the volume is made when a Pod needs it, in that Pod's zone. With Immediate it may be in a zone where the Pod cannot run.
allowedTopologies: only zones that were named. A regional disk of Google (replication-type: regional-pd) has exactly two.`;
