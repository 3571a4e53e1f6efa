import { alarmsOf } from '../alarms.ts';
import { compareRanks, type EtcdMemberView, type EtcdView } from '../view.ts';

/** A member that a snapshot can be taken from. */
export interface SnapshotSource {
  id: string;
  name: string;
  url: string;
}

/** A follower that is further behind than this many entries of the log is asked after the leader. */
const LAGGARD_ENTRIES = 1000;

/**
 * Voters that answer, the best first: a follower before the leader, which has more to do; of the followers the one that has applied most; those that know no leader, or
 * whose data etcd itself calls corrupt, last. Never a learner, whose data may be half there.
 */
export function snapshotSources({ members }: EtcdView): SnapshotSource[] {
  const able = members.filter(({ isLearner, status, url }) => !isLearner && status !== null && url !== null);
  const corrupt = corruptMembers(members);
  const rank = ({ id, isLeader, status, lag }: EtcdMemberView) => [
    corrupt.has(id) ? 1 : 0,
    status?.leaderId === undefined ? 1 : 0,
    isLeader ? 1 : (lag ?? 0) > LAGGARD_ENTRIES ? 2 : 0,
    -(status?.raftAppliedIndex ?? 0),
  ];
  const ranked = able.map((member) => ({ member, rank: rank(member) }));
  return ranked.toSorted((a, b) => compareRanks(a.rank, b.rank)).map(({ member: { id, name, url } }) => ({ id, name, url: url as string }));
}

/** Of those that answer and may be asked for a snapshot, who etcd says is corrupt; hexadecimal ids. */
export function corruptMembers(members: readonly EtcdMemberView[]): Set<string> {
  const alarms = alarmsOf(members.flatMap(({ status }) => (status === null ? [] : [status])));
  return new Set(alarms.filter(({ alarm }) => alarm === 'CORRUPT').map(({ memberId }) => memberId));
}
