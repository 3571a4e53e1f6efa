import { alarmsOf } from '../alarms.ts';
import { CAUGHT_UP_LAG, hasCaughtUp } from './defrag.ts';
import { nameOf, nameOfId } from '../member.ts';
import { quorumText } from '../quorum.ts';
import { quorumRefusal, refusal } from '../refusal.ts';
import type { HaleError } from '../../../base/error.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';

/**
 * Whether one member may be defragmented as the cluster is now; null when it may. It answers nothing meanwhile, so it counts as failed: the others must be a majority.
 * `pauseAccepted`: somebody knows that a cluster of one or two serves nothing meanwhile.
 */
export function defragRefusal(view: EtcdView, { pauseAccepted }: { pauseAccepted: boolean }): HaleError | null {
  return quorumRefusal(view) ?? corruptRefusal(view) ?? learnerRefusal(view) ?? pauseRefusal(view, pauseAccepted) ?? behindRefusal(view);
}

function corruptRefusal({ members }: EtcdView): HaleError | null {
  const corrupt = alarmsOf(members.flatMap(({ status }) => status ?? [])).filter(({ alarm }) => alarm === 'CORRUPT');
  if (corrupt.length === 0) return null;
  const whose = corrupt.map(({ memberId }) => nameOfId(members, memberId));
  return refusal('etcd_alarm_corrupt', `etcd has raised the alarm CORRUPT for ${whose.join(', ')}`);
}

function learnerRefusal({ members }: EtcdView): HaleError | null {
  const learner = members.find((member) => member.isLearner && !hasCaughtUp(member));
  if (learner === undefined) return null;
  const why = learner.lag === null ? (learner.problem ?? 'it does not answer') : `it is ${learner.lag} entries behind`;
  return refusal('etcd_learner_not_in_sync', `the learner ${nameOf(learner)} is not in sync yet: ${why}`);
}

function pauseRefusal({ quorum, members }: EtcdView, pauseAccepted: boolean): HaleError | null {
  if (quorum.canLose >= 1) return null;
  const { alive, voters, needed } = quorum;
  const text = `${quorumText(quorum)}; a member that is defragmented answers nothing, and ${alive - 1} of ${voters} are fewer than ${needed}`;
  const down = members.filter((member) => !member.isLearner && !isAlive(member));
  if (down.length === 0) return pauseAccepted ? null : refusal('etcd_defrag_stops_writes', text);
  const whose = down.map((member) => `${nameOf(member)} (${member.problem ?? 'knows no leader'})`).join(', ');
  return refusal('etcd_defrag_member_down', `${text}. Down: ${whose}`);
}

function behindRefusal({ members }: EtcdView): HaleError | null {
  const behind = members.find((member) => !member.isLearner && isAlive(member) && !hasCaughtUp(member));
  if (behind === undefined) return null;
  return refusal('etcd_member_behind', `${nameOf(behind)} is ${behind.lag} entries behind, and ${CAUGHT_UP_LAG} are allowed`);
}

function isAlive({ status }: EtcdMemberView): boolean {
  return status?.leaderId !== undefined;
}
