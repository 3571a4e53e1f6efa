import { resolve } from 'node:path';
import { Command } from 'commander';
import { planRestore } from '../../core/etcd/rebuild/restore-plan.ts';
import type { Operation } from '../../core/etcd/rebuild/step.ts';
import { nobodyWorks, statusOnHost } from '../../engine/etcd/on-host.ts';
import { hasAgents, labHosts, labMembers, labToolFolders } from '../../lab/etcd-hosts.ts';
import type { Lab } from '../../lab/lab.ts';
import type { Host } from '../../ports/host.ts';
import { lookAtHost } from './hosts-look.ts';
import { lostOption, type OperationOptions, runOperation } from './host-operation.ts';
import { DEFAULT_CONFIG } from '../read-cluster.ts';
import { openedSnapshot, readSnapshot, type SnapshotKey } from './restore-snapshot.ts';
import { type SnapshotOptions, snapshotSettings, withS3Options } from './snapshot-settings.ts';

type RestoreOptions = OperationOptions & SnapshotOptions & { identity?: string };

/** `hale etcd restore`: every member from one snapshot. There is no way to restore one of several: it would join the others with other data (docs/guide/disaster-recovery.md). */
export function etcdRestoreCommand(): Command {
  const command = new Command('restore')
    .description('restore every member of etcd from one snapshot; shows the plan first, may be resumed and rolled back')
    .argument(
      '[file]',
      'snapshot that `hale etcd snapshot save` or etcdctl took, also an encrypted one, or s3://BUCKET/KEY; not with --resume and --rollback',
    )
    .requiredOption('--lab <name>', 'lab whose hosts are restored; other hosts by hand, see docs/guide/disaster-recovery.md')
    .option('--identity <file>', 'secret key of age for an encrypted snapshot')
    .option('--config <file>', 'cluster description that says how a bucket is reached', DEFAULT_CONFIG);
  return withS3Options(command)
    .addOption(lostOption('hosts that are gone for good, separated by commas: with --rollback they are left out'))
    .option('--resume', 'go on with a restore that was interrupted, with the same flags for its snapshot (--identity, --s3-…)')
    .option('--rollback', 'put back what a restore that was interrupted did')
    .option('--dry-run', 'only show what would be done')
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON document')
    .action(async (file: string | undefined, options: RestoreOptions, self: Command) => {
      const takesUp = options.resume === true || options.rollback === true;
      if (options.resume && options.rollback) self.error('error: choose one of --resume and --rollback.');
      if ((file === undefined) !== takesUp) self.error('error: name a snapshot, or give --resume or --rollback.');
      await runOperation({
        kind: 'restore',
        options,
        plan: (lab, id) => {
          const source = sourceOf(file as string);
          return planOf(lab, { id, source, key: keyTo(source, options, self) });
        },
        openSnapshot: (snapshot) => openedSnapshot(snapshot, keyTo(snapshot.path, options, self)),
      });
    });
}

/** What the source is read with; a resumed restore that still needs it is given the same flags. */
function keyTo(source: string, options: RestoreOptions, command: Command): SnapshotKey {
  return {
    ...(options.identity === undefined ? {} : { identity: options.identity }),
    ...(source.startsWith('s3://') ? { s3: snapshotSettings(options, command).s3 } : {}),
  };
}

/** The journal is read from other folders, too. */
function sourceOf(file: string): string {
  return file.startsWith('s3://') ? file : resolve(file);
}

async function planOf(lab: Lab, { id, source, key }: { id: string; source: string; key: SnapshotKey }): Promise<Operation> {
  const snapshot = await readSnapshot(source, key);
  const hosts = labHosts(lab);
  const toolFolders = labToolFolders(lab);
  const members = await Promise.all(
    labMembers(lab).map(async (member, i) => ({ ...member, ...(await lookAtHost(hosts[i] as Host, { ...member, toolFolders })) })),
  );
  const where = `lab ${lab.plan.name}`;
  return planRestore({ id, where, members, snapshot, ...(await liveFacts(hosts)), hasAddress: hasAgents(lab) });
}

/** HaleError `etcd_operation_under_way` when somebody else works on etcd. */
async function liveFacts(hosts: readonly Host[]): Promise<{ liveRevision: number | undefined; hasQuorum: boolean }> {
  const [first] = hosts;
  const view = first && (await statusOnHost({ host: first }).catch(() => undefined));
  const hasQuorum = view !== undefined && view.quorum.canLose >= 0;
  if (hasQuorum) await nobodyWorks({ host: first as Host });
  const revisions = (view?.members ?? []).flatMap(({ status }) => status?.revision ?? []);
  return {
    liveRevision: revisions.length === 0 ? undefined : Math.max(...revisions),
    hasQuorum,
  };
}
