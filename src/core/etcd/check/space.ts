import { sizeText } from '../size-text.ts';
import type { EtcdMemberView } from '../view.ts';
import { type EtcdJudgement, judging } from './judgement.ts';
import { nameOf } from '../member.ts';

const MIB = 1024 ** 2;
/** The largest database that etcd's documentation suggests (etcd.io, "System limits"). */
const DATABASE_MAX_BYTES = 8 * 1024 * MIB;
/** Of the quota (etcd's own Prometheus rules: 95 %). */
const QUOTA_WARNING = 0.8;
const QUOTA_CRITICAL = 0.95;
/** A database that is less than half in use is worth a defragmentation. */
const IN_USE_LOW = 0.5;

/** How near the member's database is to its quota, and to what etcd can bear. */
export function judgeSpace(member: EtcdMemberView, quotaBytes: number | null): EtcdJudgement[] {
  const { status } = member;
  return status === null ? [] : [judgeQuota(member, quotaBytes), judgeDatabase(member)];
}

function judgeQuota({ status, ...member }: EtcdMemberView, quotaBytes: number | null): EtcdJudgement {
  const about = judging('quota', nameOf(member));
  const { dbSizeBytes = 0, dbSizeInUseBytes = 0 } = status ?? {};
  if (quotaBytes === null || quotaBytes <= 0) return about.notJudged('its quota is not known: etcd before 3.6 tells it by /metrics alone');
  const part = dbSizeBytes / quotaBytes;
  const value = `${Math.round(part * 100)} %`;
  const says = `its database of ${sizeText(dbSizeBytes)} takes ${value} of its quota of ${sizeText(quotaBytes)}`;
  if (part < QUOTA_WARNING) return about.good(says, value);
  return about.finding({
    severity: part >= QUOTA_CRITICAL ? 'critical' : 'warning',
    value,
    says: `${says}; ${sizeText(dbSizeInUseBytes)} are in use`,
    why: 'at the quota etcd raises the alarm NOSPACE, and the whole cluster refuses writes until somebody disarms it',
    remedy: wayToSpace(dbSizeBytes, dbSizeInUseBytes),
  });
}

function judgeDatabase({ status, ...member }: EtcdMemberView): EtcdJudgement {
  const about = judging('database', nameOf(member));
  const { dbSizeBytes = 0, dbSizeInUseBytes = 0 } = status ?? {};
  const says = `its database has ${sizeText(dbSizeBytes)}, of which ${sizeText(dbSizeInUseBytes)} are in use`;
  if (dbSizeBytes < DATABASE_MAX_BYTES * QUOTA_WARNING) return about.good(says, sizeText(dbSizeBytes));
  return about.finding({
    severity: 'warning',
    value: sizeText(dbSizeBytes),
    says,
    why: `etcd suggests ${sizeText(DATABASE_MAX_BYTES)} at most: past it, starts, snapshots and a new member take minutes`,
    remedy: wayToSpace(dbSizeBytes, dbSizeInUseBytes),
  });
}

function wayToSpace(sizeBytes: number, inUseBytes: number): string {
  return inUseBytes < sizeBytes * IN_USE_LOW
    ? 'give back what is not in use: hale etcd defrag'
    : 'find what fills it (hale etcd keys) and delete that; then hale etcd reclaim-space';
}
