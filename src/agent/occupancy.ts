/** Whether another machine answers for the address, said in the log and in words. */
import { ConflictEngine } from '../engine/conflict.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { NeighborWatch } from '../ports/neighbors.ts';
import type { Metrics } from './metrics.ts';
import type { Host } from './world.ts';

export interface OccupancyOptions {
  addresses: readonly string[];
  clock: Clock;
  log: Log;
  host: Host;
  watch: NeighborWatch;
  metrics: Metrics;
  memberMacs: () => Iterable<string>;
  onChange: () => void;
}

export function watchOccupancy({ addresses, clock, log, host, watch, metrics, memberMacs, onChange }: OccupancyOptions): ConflictEngine {
  return new ConflictEngine({
    addresses,
    clock,
    watch,
    memberMacs,
    announce: () => host.endpoint.announce(),
    onChange,
    onConflict: (claim) => {
      metrics.conflicts.inc();
      log.error(claim, 'another machine claims the address that this host holds');
    },
    onMemberAnswer: (claim) => {
      metrics.conflicts.inc();
      log.error(
        claim,
        'another control-plane host answers for the address too: look there at `hale datapath explain`, and set net.ipv4.conf.all.arp_ignore=1',
      );
    },
  });
}

/** Why the address is not free for this host, in words; undefined when it is. */
export function occupied({ occupant }: ConflictEngine): string | undefined {
  if (occupant === undefined) return undefined;
  if (occupant === 'unchecked') return 'still asking the link whether another machine has the address';
  return `${occupant.address} is answered for by ${occupant.mac}, which is not a member of this cluster`;
}
