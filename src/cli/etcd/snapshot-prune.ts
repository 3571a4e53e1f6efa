import { Command, Option } from 'commander';
import type { Keep } from '../../core/etcd/snapshot/retention.ts';
import { agreed } from '../agreed.ts';
import { DEFAULT_CONFIG } from '../read-cluster.ts';
import { wholeNumber } from '../whole-number.ts';
import { type PrunePlan, pruneStore, renderPlan } from './prune-store.ts';
import {
  clusterOption,
  openStore,
  type SnapshotOptions,
  type SnapshotSettings,
  snapshotSettings,
  withS3Options,
} from './snapshot-settings.ts';

interface PruneOptions extends SnapshotOptions {
  keepLast?: number;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  dryRun?: true;
  yes?: true;
  json?: true;
}

/** `hale etcd snapshot prune`: removes the older snapshots, as etcd.snapshots.keep says. */
export function snapshotPruneCommand(): Command {
  const command = new Command('prune')
    .description('remove older snapshots of a cluster; the newest always stays, and so does what is not a snapshot of hale')
    .argument('[place]', 'a folder or s3://BUCKET/PREFIX/; by default what the cluster description says (etcd.snapshots)')
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .addOption(clusterOption())
    .addOption(keepOption('last', 'the newest so many stay'))
    .addOption(keepOption('hourly', 'the newest of so many hours stay'))
    .addOption(keepOption('daily', 'the newest of so many days stay'))
    .addOption(keepOption('weekly', 'the newest of so many weeks stay'));
  return withS3Options(command)
    .option('--dry-run', 'show what would go, and stop')
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON document')
    .action(prune);
}

function keepOption(period: keyof Keep, says: string): Option {
  return new Option(
    `--keep-${period} <count>`,
    `${says}; by default what the cluster description says (etcd.snapshots.keep.${period})`,
  ).argParser(wholeNumber);
}

async function prune(place: string | undefined, options: PruneOptions, command: Command): Promise<void> {
  const settings = withKeep(snapshotSettings(options, command), options);
  const agree = async (plan: PrunePlan) => {
    (options.json ? process.stderr : process.stdout).write(renderPlan(plan));
    if (plan.removed.length === 0 || options.dryRun) return false;
    const question = `Remove ${plan.removed.length} snapshots?`;
    return await agreed(question, { undone: 'no snapshot was removed', ...(options.yes === undefined ? {} : { yes: options.yes }) });
  };
  const result = await pruneStore({ store: await openStore(place, settings), settings, agree });
  if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

function withKeep(settings: SnapshotSettings, { keepLast, keepHourly, keepDaily, keepWeekly }: PruneOptions): SnapshotSettings {
  const { last, hourly, daily, weekly } = settings.keep;
  const keep = { last: keepLast ?? last, hourly: keepHourly ?? hourly, daily: keepDaily ?? daily, weekly: keepWeekly ?? weekly };
  return { ...settings, keep };
}
