import { Command } from 'commander';
import { snapshotListCommand } from './snapshot-list.ts';
import { snapshotPruneCommand } from './snapshot-prune.ts';
import { snapshotSaveCommand } from './snapshot-save.ts';
import { snapshotVerifyCommand } from './snapshot-verify.ts';

/** `hale etcd snapshot`: backups of etcd. Each command is a file beside this one. */
export function etcdSnapshotCommand(): Command {
  return new Command('snapshot')
    .description('take, check, list and thin out snapshots of etcd')
    .addCommand(snapshotSaveCommand())
    .addCommand(snapshotListCommand())
    .addCommand(snapshotVerifyCommand())
    .addCommand(snapshotPruneCommand());
}
