import { sizeText } from '../size-text.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';

/** What makes a defragmentation worth its pause: both must be reached. */
export interface DefragWorth {
  minBytes: number;
  /** Of the database's size; 0 to 1. */
  minShare: number;
}

export interface DefragWishes {
  /** Ids of members; empty: all of them. */
  memberIds: readonly string[];
  /** Absent: every member, worth it or not. */
  worth?: DefragWorth;
}

export interface DefragTarget {
  id: string;
  name: string;
  /** Where it is asked. */
  url: string;
  sizeBytes: number;
  inUseBytes: number;
  /** What comes free, about: the rest is written anew. */
  freesBytes: number;
  /** When the plan was made. Its leadership moves before its turn, unless it is alone. */
  isLeader: boolean;
}

export interface DefragSkip {
  id: string;
  name: string;
  /** Null when it did not answer. */
  sizeBytes: number | null;
  inUseBytes: number | null;
  why: string;
}

export interface DefragPlan {
  /** In this order, one at a time: followers first, the leader last. */
  targets: readonly DefragTarget[];
  skipped: readonly DefragSkip[];
  /** Every voter is needed for the quorum even when all are alive (clusters of one and two), so nothing is served meanwhile. */
  stopsWrites: boolean;
}

/** What is to be defragmented, and in which order: the most that comes free first, so that a stop half way has given most. */
export function planDefrag(view: EtcdView, { memberIds, worth }: DefragWishes): DefragPlan {
  const targets: DefragTarget[] = [];
  const skipped: DefragSkip[] = [];
  for (const member of view.members) {
    const { id, name, status, url, isLeader } = member;
    const sizes = { sizeBytes: status?.dbSizeBytes ?? null, inUseBytes: status?.dbSizeInUseBytes ?? null };
    const why = memberIds.length > 0 && !memberIds.includes(id) ? 'is not among those that were named' : whySkipped(member, worth);
    if (why !== undefined || status === null || url === null) {
      skipped.push({ id, name, ...sizes, why: why ?? 'does not answer' });
      continue;
    }
    const { dbSizeBytes: sizeBytes, dbSizeInUseBytes: inUseBytes } = status;
    targets.push({ id, name, url, sizeBytes, inUseBytes, freesBytes: sizeBytes - inUseBytes, isLeader });
  }
  targets.sort((a, b) => Number(a.isLeader) - Number(b.isLeader) || b.freesBytes - a.freesBytes);
  return { targets, skipped, stopsWrites: view.quorum.voters - 1 < view.quorum.needed };
}

function whySkipped({ isLearner, status, problem }: EtcdMemberView, worth: DefragWorth | undefined): string | undefined {
  if (status === null) return `does not answer: ${problem ?? 'no reason is known'}`;
  if (isLearner) return 'is a learner, which etcd does not defragment before it is promoted';
  if (worth === undefined) return undefined;
  const { dbSizeBytes, dbSizeInUseBytes } = status;
  const frees = dbSizeBytes - dbSizeInUseBytes;
  if (frees < worth.minBytes) return `not worth it: ${sizeText(frees)} would come free, ${sizeText(worth.minBytes)} are wanted`;
  const share = dbSizeBytes === 0 ? 0 : frees / dbSizeBytes;
  if (share < worth.minShare) return `not worth it: ${percent(share)} would come free, ${percent(worth.minShare)} are wanted`;
  return undefined;
}

export type DefragStep =
  | { kind: 'defragment'; id: string }
  | { kind: 'move-leader'; from: EtcdMemberView; to: EtcdMemberView }
  | { kind: 'finished' };

/** What comes next, as the cluster is now: who leads may have changed since the plan was made. `left`: ids in the plan's order. */
export function nextDefragStep(view: EtcdView, left: readonly string[]): DefragStep {
  const [first] = left;
  if (first === undefined) return { kind: 'finished' };
  const follower = left.find((id) => id !== view.leader?.id);
  if (follower !== undefined) return { kind: 'defragment', id: follower };
  const to = freshestFollower(view);
  if (view.leader === null || to === null) return { kind: 'defragment', id: first };
  return { kind: 'move-leader', from: view.leader, to };
}

/** Applied entries that a member may be behind the furthest and still count as caught up: members are not asked at the very same moment. */
export const CAUGHT_UP_LAG = 100;

/** The voter that has applied most and does not lead; null when none has caught up. */
export function freshestFollower(view: EtcdView): EtcdMemberView | null {
  const able = view.members.filter((member) => !member.isLeader && !member.isLearner && hasCaughtUp(member));
  return able.toSorted((a, b) => (a.lag ?? 0) - (b.lag ?? 0))[0] ?? null;
}

export function hasCaughtUp({ status, lag }: EtcdMemberView): boolean {
  return status?.leaderId !== undefined && lag !== null && lag <= CAUGHT_UP_LAG;
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`;
}
