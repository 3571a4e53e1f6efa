import { type Finding, finding } from './problems.ts';
import type { Cluster } from './schema.ts';

type StorageClass = Cluster['storageClasses'][number];

/** What the API server takes and nobody wants. */
export function storageFindings({ storageClasses }: Cluster): Finding[] {
  return storageClasses.flatMap((one, i) => [...sameName(storageClasses, i), ...secondDefault(storageClasses, i), ...regional(one, i)]);
}

function sameName(all: readonly StorageClass[], i: number): Finding[] {
  const { name } = all[i] as StorageClass;
  if (all.findIndex((other) => other.name === name) === i) return [];
  return [finding('cluster_storage_class_twice', { path: ['storageClasses', i, 'name'], at: 'value' }, { name })];
}

function secondDefault(all: readonly StorageClass[], i: number): Finding[] {
  const first = all.findIndex((other) => other.default);
  if (!all[i]?.default || first === i) return [];
  const facts = { name: all[i].name, first: (all[first] as StorageClass).name };
  return [finding('cluster_default_class_twice', { path: ['storageClasses', i, 'default'], at: 'value' }, facts)];
}

/** Regional disks of Google Cloud are in two zones, no more and no less (cloud.google.com, "Regional persistent disks"). */
function regional({ name, zones, parameters }: StorageClass, i: number): Finding[] {
  const isRegional = parameters.some((one) => one.name === 'replication-type' && one.value === 'regional-pd');
  if (!isRegional || new Set(zones).size === 2) return [];
  const place = zones.length === 0 ? ['storageClasses', i, 'parameters'] : ['storageClasses', i, 'zones'];
  return [finding('cluster_regional_zones', { path: place, at: 'key' }, { name, count: zones.length, distinct: new Set(zones).size })];
}
