import { CLUSTER, type EtcdJudgement, judging } from './judgement.ts';

/** What members tell of the history that they keep. */
export interface History {
  revision: number;
  /** -1 when nothing was compacted; null where nobody tells. */
  compactRevision: number | null;
  /** Unix time in seconds of the last compaction; 0 when there was none since the member started, null before etcd 3.5. */
  compactedAt: number | null;
  /** Unix time in seconds. */
  startedAt: number | null;
}

/** kube-apiserver compacts every five minutes what is older than that; twelve of them in vain are no coincidence. */
const LATE_SECONDS = 3600;
/** So little history costs nothing. */
const FEW_REVISIONS = 10_000;
/** Where nobody tells when: about an hour of 300 writes a second. */
const MANY_REVISIONS = 1_000_000;

/** Whether somebody drops history, as kube-apiserver does, or etcd with --auto-compaction-retention. */
export function judgeCompaction(history: History, nowMs: number): EtcdJudgement {
  const about = judging('compaction', CLUSTER);
  const { revision, compactRevision, compactedAt, startedAt } = history;
  if (compactRevision === null) return about.notJudged('members do not tell when history was compacted');
  const kept = revision - Math.max(0, compactRevision);
  const says =
    compactRevision < 0 ? `all ${kept} revisions are kept, none were compacted` : `${kept} revisions are kept since the last compaction`;
  const since = Math.max(compactedAt ?? 0, startedAt ?? 0);
  const isLate = compactedAt === null ? kept > MANY_REVISIONS : since > 0 && nowMs / 1000 - since > LATE_SECONDS;
  if (kept <= FEW_REVISIONS || !isLate) return about.good(says, `${kept}`);
  return about.finding({
    severity: 'warning',
    value: `${kept}`,
    says: `${says}${compactedAt === null ? '' : `, for more than ${Math.floor((nowMs / 1000 - since) / 3600)} hours`}`,
    why: 'old revisions stay in the database until it reaches its quota',
    remedy:
      'kube-apiserver compacts every five minutes unless --etcd-compaction-interval is 0: see that it runs; for an etcd without Kubernetes set --auto-compaction-mode and --auto-compaction-retention',
  });
}
