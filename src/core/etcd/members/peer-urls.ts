import { HaleError } from '../../../base/error.ts';
import { quorumRefusal } from '../refusal.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';
import { isAlive } from './state.ts';
import { arithmeticText, isSamePlace, memberText } from './step.ts';
import { findMember } from './target.ts';

const fail = (code: string, message: string, remedy: string) => new HaleError({ code, kind: 'world', message, remedy });

/** Other peer URLs for a member that stays who it is. */
export interface PeerUrlChange {
  member: EtcdMemberView;
  peerUrls: readonly string[];
  /** It has them already. */
  isDone: boolean;
}

/**
 * Whether a member may get other peer URLs. The number of voters stays; but at wrong ones the others do not reach it, so the cluster must be able to do without it.
 * Throws `etcd_member_unknown`, `etcd_member_ambiguous`; returns `etcd_quorum_lost`, `etcd_electing`, `etcd_member_exists`, `etcd_quorum_at_risk`.
 */
export function planPeerUrls(view: EtcdView, wanted: { member: string; peerUrls: readonly string[] }): PeerUrlChange | HaleError {
  const refused = quorumRefusal(view);
  if (refused !== null) return refused;
  const { peerUrls } = wanted;
  const member = findMember(wanted.member, view.members);
  const isDone = isSamePlace(member.peerUrls, peerUrls);
  const taken = view.members.find((other) => other !== member && other.peerUrls.some((url) => peerUrls.includes(url)));
  if (taken !== undefined) {
    return fail(
      'etcd_member_exists',
      `the peer URL ${peerUrls.join(', ')} is that of ${memberText(taken)} at ${taken.peerUrls.join(', ')}`,
      'give the one at which this member listens (--listen-peer-urls of its etcd)',
    );
  }
  const isNeeded = !member.isLearner && isAlive(member) && view.quorum.canLose === 0 && view.quorum.voters > 1;
  if (!isDone && isNeeded) {
    return fail(
      'etcd_quorum_at_risk',
      `without ${memberText(member)} etcd would lose its quorum, and at a wrong peer URL the others do not reach it: ${arithmeticText(view.quorum)}`,
      'bring dead members back first, or add one: hale etcd member list shows how many may fail',
    );
  }
  return { member, peerUrls, isDone };
}
