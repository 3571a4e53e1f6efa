import { createHash } from 'node:crypto';
import { agreement } from '../core/cluster/agreement.ts';
import { decidedByLease } from '../core/cluster/holders.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { timingProfiles } from '../core/lease/timing.ts';

/** What agents must have in common to understand each other: it keys their datagrams. */
export function clusterDigest(cluster: Cluster): number {
  const members = cluster.controlPlane.hosts.map((host) => ({ name: host.name, address: host.addresses[0]?.address as string }));
  const { leaseMs } = timingProfiles[cluster.agent.profile];
  // A host that follows the lease and one that does not would both answer.
  const decided = decidedByLease(cluster) ? {} : { decidedBy: cluster.advertise === 'arp' ? cluster.election : 'routers' };
  const text = agreement({ name: cluster.name, members, addresses: cluster.endpoint.addresses, leaseMs, ...decided });
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}
