import { type HostFacts, lookArgv, readLook } from '../../core/etcd/rebuild/host-script.ts';
import type { MemberPlace } from '../../core/etcd/rebuild/restore-plan.ts';
import { commandFailed } from '../../engine/etcd/on-host.ts';
import type { Host } from '../../ports/host.ts';

const LOOK_WITHIN_MS = 60_000;

/** What a host has for an operation: room, and programs that restore. HaleError `host_unreachable` when it cannot be asked. */
export async function lookAtHost(
  host: Host,
  { dataDir, toolFolders }: Pick<MemberPlace, 'dataDir'> & { toolFolders: readonly string[] },
): Promise<HostFacts> {
  const { code, stdout, stderr } = await host.run(lookArgv(dataDir, toolFolders), { timeoutMs: LOOK_WITHIN_MS });
  if (code !== 0) throw commandFailed({ host: host.name, shown: `look at ${dataDir}`, code, said: stderr });
  return readLook(stdout);
}
