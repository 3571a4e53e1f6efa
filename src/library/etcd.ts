/**
 * `hale/etcd`: what `hale etcd` does, for programs. It decides nothing that the commands do not; they ask their users, and a program that calls this asks its own.
 * Failures are HaleErrors with a `code` (docs/reference/errors.md).
 */

export { HaleError } from '../base/error.ts';

// Where etcd is, and a client.
export { type EtcdAccess, type EtcdAccessFlags, findEtcdAccess } from '../drivers/etcd/access.ts';
export { readEtcdTls } from '../drivers/etcd/tls.ts';
export { createEtcdAdmin } from '../drivers/etcd/admin.ts';
export type { EtcdAdmin, EtcdRaisedAlarm } from '../ports/etcd-admin.ts';
export { boottime } from '../drivers/linux/boottime.ts';

// How it is.
export { lookAtEtcd } from '../engine/etcd/look.ts';
export type { EtcdMemberView, EtcdView } from '../core/etcd/view.ts';
export { type Quorum, quorumText } from '../core/etcd/quorum.ts';
export { type CheckOptions, gatherCheck } from '../engine/etcd/check.ts';
export { type CheckLimits, judgeCheck } from '../core/etcd/check/check.ts';
export { type EtcdJudgement, findingsOf } from '../core/etcd/check/judgement.ts';

// Snapshots.
export { type SavedSnapshot, type SaveOptions, saveSnapshot } from '../engine/etcd/save-snapshot.ts';
export { snapshotSources } from '../core/etcd/snapshot/source.ts';
export { formatSnapshotName, parseSnapshotName } from '../core/etcd/snapshot/name.ts';
export { fileTarget, folderStore, folderTarget } from '../drivers/snapshot/folder.ts';
export { s3Store, s3Target } from '../drivers/snapshot/s3-store.ts';
export { decrypted, encrypted } from '../drivers/snapshot/age.ts';
export { type Keep, planRetention } from '../core/etcd/snapshot/retention.ts';
export { type InspectOptions, inspectSnapshot } from '../drivers/etcd/inspect.ts';

// Space.
export { type DefragPlan, type DefragWishes, planDefrag } from '../core/etcd/upkeep/defrag.ts';
export { PULSE_LIMITS } from '../core/etcd/upkeep/pulse.ts';
export { carryOutDefrag, type DefragOptions, type DefragReport } from '../engine/etcd/defrag.ts';
export { reclaimSpace, type ReclaimOptions, type ReclaimReport } from '../engine/etcd/reclaim.ts';
export { type CompactOptions, compactFully } from '../engine/etcd/compact.ts';
export { type CountOptions, countKeys, type KeyCount } from '../engine/etcd/count-keys.ts';

// Members, one change at a time.
export { planLeaderMove } from '../core/etcd/upkeep/leader-move.ts';
export { moveLeader } from '../engine/etcd/move-leader.ts';
export { type MemberChangePlan, planChange, type PlanOptions } from '../engine/etcd/member-plan.ts';
export { changeMembers, type MemberChangeOptions, type MemberChangeOutcome } from '../engine/etcd/member-change.ts';
export { type HeldOperation, type OperationLockOptions, withOperationLock } from '../engine/etcd/operation-lock.ts';

// Whole clusters, over hosts.
export { planRestore, type RestoreRequest } from '../core/etcd/rebuild/restore-plan.ts';
export { planRecover, type RecoverRequest } from '../core/etcd/rebuild/recover-plan.ts';
export { beginOperation, goOn, type OperationWorld, rollBack } from '../engine/etcd/run-plan.ts';
export type { Host } from '../ports/host.ts';
export type { Journal } from '../ports/journal.ts';
