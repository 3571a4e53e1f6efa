import type { EtcdMemberView } from '../view.ts';

/** Entries that a voter may be behind and still count as alive, and a learner and still be promoted. Under load every look finds some hundred. */
const LAG_LIMIT = 5000;

/** Answers, knows a leader, and has nearly all that the others have. */
export function isAlive({ status, lag }: Pick<EtcdMemberView, 'status' | 'lag'>): boolean {
  return status?.leaderId !== undefined && (lag ?? 0) <= LAG_LIMIT;
}

/** No vote yet, or one that it cannot use. */
export function isPending({ isLearner, name }: Pick<EtcdMemberView, 'isLearner' | 'name'>): boolean {
  return isLearner || name === '';
}

/** May be promoted. */
export function isInSync({ name, status, lag }: EtcdMemberView): boolean {
  return name !== '' && status?.leaderId !== undefined && lag !== null && lag <= LAG_LIMIT;
}
