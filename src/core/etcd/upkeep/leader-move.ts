import { freshestFollower, hasCaughtUp } from './defrag.ts';
import { nameOf } from '../member.ts';
import type { HaleError } from '../../../base/error.ts';
import { quorumRefusal, refusal } from '../refusal.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';

export type LeaderMove =
  | { kind: 'move'; from: EtcdMemberView; to: EtcdMemberView }
  /** It leads already. */
  | { kind: 'none'; leader: EtcdMemberView }
  | { kind: 'refused'; refusal: HaleError };

/** To whom leadership may go: a voter that answers and has caught up, or there would be a time without a leader. `wantedId` absent: the freshest. */
export function planLeaderMove(view: EtcdView, wantedId?: string): LeaderMove {
  const quorum = quorumRefusal(view);
  const from = view.leader;
  if (quorum !== null) return { kind: 'refused', refusal: quorum };
  if (from === null) return refuse('nobody leads');
  if (wantedId === undefined) {
    const to = freshestFollower(view);
    return to === null ? refuse('no other voter answers and has caught up') : { kind: 'move', from, to };
  }
  const to = view.members.find(({ id }) => id === wantedId);
  if (to === undefined) return refuse(`no member has the id ${wantedId}`);
  if (to.isLeader) return { kind: 'none', leader: to };
  if (to.isLearner) return refuse(`${nameOf(to)} is a learner, which cannot lead`);
  if (to.status === null) return refuse(`${nameOf(to)} does not answer: ${to.problem ?? 'no reason is known'}`);
  if (!hasCaughtUp(to))
    return refuse(`${nameOf(to)} ${to.status.leaderId === undefined ? 'knows no leader' : `is ${to.lag} entries behind`}`);
  return { kind: 'move', from, to };
}

function refuse(message: string): LeaderMove {
  return { kind: 'refused', refusal: refusal('etcd_leader_target', message) };
}
