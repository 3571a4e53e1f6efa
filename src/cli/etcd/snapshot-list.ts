import { Command } from 'commander';
import { newestFirst } from '../../core/etcd/snapshot/retention.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import { DEFAULT_CONFIG } from '../read-cluster.ts';
import { table } from '../table.ts';
import { clusterOption, openStore, type SnapshotOptions, snapshotSettings, withS3Options } from './snapshot-settings.ts';

/** `hale etcd snapshot list`: what is there, the newest first. */
export function snapshotListCommand(): Command {
  const command = new Command('list')
    .description('list the snapshots in a folder or a bucket, the newest first; other files are not looked at')
    .argument('[place]', 'a folder or s3://BUCKET/PREFIX/; by default what the cluster description says (etcd.snapshots)')
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .addOption(clusterOption());
  return withS3Options(command).option('--json', 'print one JSON document').action(list);
}

async function list(place: string | undefined, options: SnapshotOptions & { json?: true }, command: Command): Promise<void> {
  const store = await openStore(place, snapshotSettings(options, command));
  const now = Date.now();
  const wanted = (await store.list()).filter(({ cluster }) => options.cluster === undefined || cluster === options.cluster);
  const snapshots = wanted.toSorted(newestFirst).map(({ takenAtMs, ...rest }) => ({
    ...rest,
    takenAt: new Date(takenAtMs).toISOString(),
    ageSeconds: Math.max(0, Math.floor((now - takenAtMs) / 1000)),
  }));
  if (options.json) process.stdout.write(`${JSON.stringify({ place: store.place, snapshots }, null, 2)}\n`);
  else if (snapshots.length === 0) process.stdout.write(`${store.place}: no snapshots\n`);
  else {
    const rows = snapshots.map(({ name, cluster, takenAt, ageSeconds, revision, sizeBytes, isEncrypted }) => [
      name,
      cluster,
      takenAt.replace('T', ' ').replace('.000Z', ''),
      ageText(ageSeconds),
      `${revision}`,
      sizeText(sizeBytes),
      isEncrypted ? 'yes' : 'no',
    ]);
    process.stdout.write(table(['SNAPSHOT', 'CLUSTER', 'TIME (UTC)', 'AGE', 'REVISION', 'SIZE', 'ENCRYPTED'], rows));
  }
}

/** In the largest unit of which there is more than one. */
function ageText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
