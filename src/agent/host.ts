import { DRAIN_GRACE_MS } from '../core/balancer/timing.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { openEndpoint } from '../drivers/linux/endpoint.ts';
import { linkByName } from '../drivers/linux/links.ts';
import { openNeighbors } from '../drivers/linux/neighbors.ts';
import { becomeRealtime } from '../drivers/linux/scheduling.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Self } from './self.ts';
import type { Host } from './world.ts';

/** The kernel lets connections of a handed-over address speak this much longer than the grace time, so that their resets get out. */
const RESET_MARGIN_MS = 500;

/** Above ordinary work, below the kernel's own threads at 99. */
const REALTIME_PRIORITY = 50;

/** Opens this Linux machine for the agent, and removes what an earlier run left on the interface. */
export function openHost(options: { cluster: Cluster; self: Self; clock: Clock; log: Log }): Host {
  const { cluster, self, clock, log } = options;
  const link = linkByName(self.interfaceName);
  const neighbors = openNeighbors(link, cluster.endpoint.addresses);
  const endpoint = openEndpoint({
    link,
    addresses: cluster.endpoint.addresses,
    neighbors,
    clock,
    log,
    graceMs: DRAIN_GRACE_MS + RESET_MARGIN_MS,
  });
  if (endpoint.weakness !== undefined) log.warn({ weakness: endpoint.weakness }, 'the lease is enforced in part only');
  const realtime = becomeRealtime(REALTIME_PRIORITY);
  if (!realtime.ok) log.warn({ reason: realtime.reason }, 'no real-time scheduling: under load the lease may be renewed late and move');
  return {
    endpoint,
    neighbors,
    link,
    mac: link.mac,
    enforced: endpoint.enforced,
    weaker: endpoint.weakness,
    realtime: realtime.ok,
    close: () => {
      const closed = endpoint.close();
      if (!closed.ok) log.error({ reason: closed.reason }, 'the gate could not be taken down');
    },
  };
}
