import type { Cluster } from '../core/cluster/schema.ts';
import { boottime } from '../drivers/linux/boottime.ts';
import { leave } from '../drivers/linux/leave.ts';
import { Agent } from './agent.ts';
import { CONTROL_SOCKET, GUARDIAN_LOCK } from '../ports/control.ts';
import { openControl } from './control.ts';
import { Guardian } from './guardian/guardian.ts';
import { openHost } from './host.ts';
import { createLog } from './log.ts';
import { sayObstacles } from './say-obstacles.ts';
import { HealChild } from './heal/child.ts';
import { findSelf } from './self.ts';
import { takeByCommand } from './snapshots.ts';

/** Runs the agent until SIGTERM or SIGINT, which hand the address over first. A second signal ends it at once: the kernel closes the lease. */
export async function runAgent(options: { cluster: Cluster; file: string; logLevel: string }): Promise<void> {
  const { cluster, file } = options;
  const self = findSelf(cluster, file);
  const log = createLog({ level: options.logLevel, host: self.host.name });
  const running: { agent?: Agent } = {};
  // The socket first: it refuses when another agent runs here, before anything of that one's is cleaned up.
  const control = await openControl(CONTROL_SOCKET, {
    status: () => running.agent?.status() ?? null,
    drain: () => running.agent?.drain(),
    resume: () => running.agent?.resume(),
  });
  // Before anything is put up, because the guardian of an earlier run may still be taking down.
  const guardian = await Guardian.start({ lockPath: GUARDIAN_LOCK, host: self.host.name, clock: boottime, log });
  const host = openHost({ cluster, self, clock: boottime, log });
  const agent = await Agent.start({ cluster, self, clock: boottime, log, host, guardian, takeSnapshot: takeByCommand(file) });
  running.agent = agent;
  log.info(
    { cluster: cluster.name, interface: self.interfaceName, profile: cluster.agent.profile, realtime: host.realtime },
    'agent started',
  );
  sayObstacles({ file, log });
  const heal = cluster.heal.enabled ? new HealChild({ clock: boottime, log, file, logLevel: options.logLevel }) : undefined;
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) leave(1);
    stopping = true;
    log.info({ signal }, 'stopping');
    Promise.all([agent.shutdown(), heal?.stop()]).then(
      () => {
        control.close();
        leave(0);
      },
      (error: Error) => {
        log.error({ error: error.message }, 'stopping failed');
        leave(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
}
