import { HaleError } from '../../base/error.ts';
import { planRetention, type RetentionPlan } from '../../core/etcd/snapshot/retention.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { SnapshotStore, StoredSnapshot } from '../../ports/snapshot-store.ts';
import { table } from '../table.ts';
import type { SnapshotSettings } from './snapshot-settings.ts';

export interface PrunePlan extends RetentionPlan<StoredSnapshot> {
  place: string;
  /** Whose snapshots these are; those of others are not looked at. */
  cluster: string | undefined;
}

export interface PruneResult {
  place: string;
  cluster: string | undefined;
  kept: { name: string; reasons: readonly string[] }[];
  /** What went, or would go. */
  removed: string[];
  isDone: boolean;
}

/** Thins out what a store holds of one cluster, if `agree` says yes to the plan. */
export async function pruneStore(options: {
  store: SnapshotStore;
  settings: SnapshotSettings;
  agree: (plan: PrunePlan) => Promise<boolean>;
}): Promise<PruneResult> {
  const { store, settings, agree } = options;
  const stored = await store.list();
  const cluster = settings.clusterName ?? onlyCluster(stored, store.place);
  const plan = {
    ...planRetention(
      stored.filter((one) => one.cluster === cluster),
      settings.keep,
    ),
    place: store.place,
    cluster,
  };
  const isDone = await agree(plan);
  // The oldest first: what an interrupted run leaves is what a shorter retention would.
  if (isDone) for (const { name } of plan.removed.toReversed()) await store.remove(name);
  return {
    place: store.place,
    cluster,
    kept: plan.kept.map(({ snapshot: { name }, reasons }) => ({ name, reasons })),
    removed: plan.removed.map(({ name }) => name),
    isDone,
  };
}

function onlyCluster(stored: readonly StoredSnapshot[], place: string): string | undefined {
  const names = [...new Set(stored.map(({ cluster }) => cluster))].toSorted();
  if (names.length <= 1) return names[0];
  throw new HaleError({
    code: 'snapshot_several_clusters',
    kind: 'usage',
    message: `${place}: holds snapshots of several clusters: ${names.join(', ')}`,
    remedy: 'say whose to thin out with --cluster NAME',
  });
}

export function renderPlan({ place, cluster, kept, removed }: PrunePlan): string {
  if (kept.length === 0) return `${place}: no snapshots${cluster === undefined ? '' : ` of ${cluster}`}\n`;
  const stay = kept.map(({ snapshot: { name }, reasons }) => ['stays', name, reasons.join(', ')]);
  const go = removed.map(({ name, sizeBytes }) => ['goes', name, sizeText(sizeBytes)]);
  const freed = removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const sum = `${removed.length} of ${kept.length + removed.length} go, which frees ${sizeText(freed)}`;
  return `${place}\n${table(['', 'SNAPSHOT', 'WHY'], [...stay, ...go])}${sum}\n`;
}
