import type { Cluster } from '../core/cluster/schema.ts';
import type { LeaseState } from '../core/lease/state.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Claim } from './claim.ts';
import type { Resignation } from './guardian/will.ts';
import type { Members } from './members.ts';
import type { Metrics } from './metrics.ts';
import { openRouteClaim } from './open-routes.ts';
import type { Self } from './self.ts';
import type { Tenure } from './tenure.ts';
import { openVrrpClaim } from './vrrp.ts';
import type { Host } from './world.ts';

export interface ClaimOptions {
  cluster: Cluster;
  self: Self;
  clock: Clock;
  log: Log;
  host: Host;
  members: Members;
  lease: () => LeaseState;
  metrics: Metrics;
  tenure: Tenure;
  /** What is to be said should this process die from now on. */
  arm: (resignations: readonly Resignation[]) => void;
}

/** Undefined where the quorum lease decides. Throws a HaleError when what is needed cannot be opened. */
export function openClaim(options: ClaimOptions): Claim | undefined {
  const { cluster } = options;
  if (cluster.advertise !== 'arp') return openRouteClaim(options);
  return cluster.election === 'vrrp' ? openVrrpClaim(options) : undefined;
}
