/** What etcd is told for its disks, distances and size, whatever sets it up. */
import type { Cluster } from '../cluster/schema.ts';
import type { Flag } from './flags.ts';

export const ETCD_METRICS = 'http://127.0.0.1:2381';

/** The largest that etcd's own documentation suggests; the default of 2 GiB fills up under large clusters. */
const QUOTA_BYTES = 8 * 1024 ** 3;

/** Milliseconds. An election takes at least ten round trips, and a heartbeat about one (etcd.io, "Tuning"); a slow disk holds up both. */
const TIMINGS = {
  rack: { heartbeat: 100, election: 1000 },
  zone: { heartbeat: 100, election: 1000 },
  region: { heartbeat: 250, election: 2500 },
} as const satisfies Record<Cluster['etcd']['latency'], { heartbeat: number; election: number }>;
const SLOW_DISK_ELECTION = 5000;

/** The same on every member. */
export function etcdTuningFlags({ latency, disk }: Cluster['etcd']): Flag[] {
  const { heartbeat, election } = TIMINGS[latency];
  const electionMs = disk === 'slow' ? Math.max(election, SLOW_DISK_ELECTION) : election;
  return [
    {
      name: 'heartbeat-interval',
      value: `${heartbeat}`,
      why: `Milliseconds. etcd.latency is ${latency}: a heartbeat about one round trip, an election at least ten;\netcd.disk is ${disk}: a disk that syncs slowly holds up both. The same on every member.`,
    },
    { name: 'election-timeout', value: `${electionMs}` },
    {
      name: 'quota-backend-bytes',
      value: `${QUOTA_BYTES}`,
      why: '8 GiB, the largest that etcd suggests. At the default of 2 GiB a large cluster becomes read-only.',
    },
  ];
}
