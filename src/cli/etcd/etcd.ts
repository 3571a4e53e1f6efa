import { Command } from 'commander';

/** Loaded when asked for: to look at etcd takes no cryptography of snapshots. Each command is a file beside this one. */
const commands: Record<string, () => Promise<Command>> = {
  status: async () => (await import('./status.ts')).etcdStatusCommand(),
  check: async () => (await import('./check.ts')).etcdCheckCommand(),
  snapshot: async () => (await import('./snapshot.ts')).etcdSnapshotCommand(),
  keys: async () => (await import('./keys.ts')).etcdKeysCommand(),
  get: async () => (await import('./get.ts')).etcdGetCommand(),
  defrag: async () => (await import('./defrag.ts')).etcdDefragCommand(),
  compact: async () => (await import('./compact.ts')).etcdCompactCommand(),
  'move-leader': async () => (await import('./move-leader.ts')).etcdMoveLeaderCommand(),
  alarm: async () => (await import('./alarm.ts')).etcdAlarmCommand(),
  'reclaim-space': async () => (await import('./reclaim-space.ts')).etcdReclaimSpaceCommand(),
  member: async () => (await import('./member.ts')).etcdMemberCommand(),
  restore: async () => (await import('./restore.ts')).etcdRestoreCommand(),
  recover: async () => (await import('./recover.ts')).etcdRecoverCommand(),
  fingerprint: async () => (await import('./fingerprint.ts')).etcdFingerprintCommand(),
  data: async () => (await import('./data.ts')).etcdDataCommand(),
};

/** `hale etcd`: operations on etcd that keep its quorum; with the command called `only`, or with all of them. */
export async function etcdCommand(only?: string): Promise<Command> {
  const group = new Command('etcd').description('look at etcd and operate it without losing its quorum');
  const wanted = only !== undefined && Object.hasOwn(commands, only) ? commands[only] : undefined;
  for (const load of wanted === undefined ? Object.values(commands) : [wanted]) group.addCommand(await load());
  return group;
}
