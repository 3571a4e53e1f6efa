import {
  snapshotAgeMinutes,
  snapshotLimitMinutes,
  snapshotProblem,
  type SnapshotRecord,
  type SnapshotSchedule,
} from '../snapshot/last-save.ts';
import { CLUSTER, type EtcdJudgement, judging } from './judgement.ts';

/** The newest snapshot as etcd remembers it; `skipped` is why that could not be read. */
export type SeenSnapshot = { record: SnapshotRecord | undefined } | { skipped: string };

/** Whether the newest snapshot is recent enough for the schedule; without a schedule nobody says what that is. */
export function judgeSnapshot(seen: SeenSnapshot, { nowMs, ...schedule }: SnapshotSchedule & { nowMs: number }): EtcdJudgement {
  const about = judging('snapshot', CLUSTER);
  if ('skipped' in seen) return about.notJudged(`when the newest snapshot was taken could not be read: ${seen.skipped}`);
  const { record } = seen;
  const age = record === undefined ? 'none' : `${snapshotAgeMinutes(record, nowMs)} minutes`;
  if (snapshotLimitMinutes(schedule) === undefined) {
    const newest = record === undefined ? 'hale knows of no snapshot' : `the newest snapshot is ${age} old`;
    return about.notJudged(`${newest}; etcd.snapshots.everyMinutes in the cluster description has them taken, and says how old it may be`);
  }
  const problem = snapshotProblem(record, { nowMs, ...schedule });
  if (problem === undefined) return about.good(`the newest snapshot is ${age} old`, age);
  return about.finding({
    severity: 'warning',
    value: age,
    says: problem.says,
    why: 'when etcd has to be restored, everything since the newest snapshot is lost',
    remedy: problem.wayOut,
  });
}
