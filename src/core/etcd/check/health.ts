import { alarmsOf, alarmText, isAlarm } from '../alarms.ts';
import { quorumText } from '../quorum.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';
import { CLUSTER, type EtcdJudgement, judging } from './judgement.ts';
import { nameOf } from '../member.ts';

/** Past so many entries that it has not applied, a member refuses requests ("too many requests"; etcd, server/etcdserver/v3_server.go). */
const LAG_MAX = 5000;

/** Whether the cluster serves, and each member with it: all that one look tells. */
export function judgeHealth(view: EtcdView): EtcdJudgement[] {
  return [judgeQuorum(view), ...view.members.flatMap((member) => judgeMember(member, view)), ...judgeAlarms(view), ...judgeStrangers(view)];
}

function judgeQuorum({ quorum, members }: EtcdView): EtcdJudgement {
  const about = judging('quorum', CLUSTER);
  const value = `${quorum.alive} of ${quorum.voters}`;
  if (members.length === 0) {
    return about.finding({
      severity: 'critical',
      value,
      says: 'no member answers',
      why: 'nothing is known about it from here',
      remedy: 'see the reason at each URL; run it on a control-plane host, and look there whether etcd runs',
    });
  }
  if (quorum.canLose >= 0) return about.good(quorumText(quorum), value);
  return about.finding({
    severity: 'critical',
    value,
    says: quorumText(quorum),
    why: 'API servers cannot write, and controllers give up their leases; what is shown is what each member last knew',
    remedy:
      'start the members that are down, with the data that they have; when a majority is gone for good, hale etcd recover makes a cluster of what is left; never restore a single member from a snapshot',
  });
}

function judgeMember(member: EtcdMemberView, view: EtcdView): EtcdJudgement[] {
  const place = nameOf(member);
  const { status } = member;
  if (status === null) return [judgeSilence(member)];
  const others = status.errors.filter((error) => !isAlarm(error) && !(NO_LEADER.test(error) && status.leaderId === undefined));
  return [
    judging('answer', place).good('answers'),
    judgeLeader(member, view),
    judgeLag(member),
    ...others.map((error) =>
      judging('error', place).finding({
        severity: 'warning',
        value: error.trim(),
        says: `says: ${error.trim()}`,
        why: 'etcd tells so of itself with every status',
        remedy: "see the member's log",
      }),
    ),
  ];
}

const NO_LEADER = /no leader/;

function judgeSilence(member: EtcdMemberView): EtcdJudgement {
  const about = judging('answer', nameOf(member));
  if (member.name === '') {
    return about.finding({
      severity: 'warning',
      value: 'never started',
      says: `was added with ${member.peerUrls.join(', ')} and has never started`,
      why: member.isLearner
        ? 'as long as it is there no other learner can be added'
        : 'it counts as a voter, and a voter that is down counts against the quorum',
      remedy: `start it with an empty data folder and --initial-cluster-state existing, or remove it: hale etcd member remove ${member.id}`,
    });
  }
  return about.finding({
    severity: 'warning',
    value: 'no answer',
    says: `gives no answer: ${member.problem ?? 'for no known reason'}`,
    why: member.isLearner ? 'it does not catch up' : 'one member fewer may fail until it is back',
    remedy: `start it with the data that it has; when its host is gone for good: hale etcd member replace ${member.id}`,
  });
}

function judgeLeader({ status, ...member }: EtcdMemberView, { leader, quorum }: EtcdView): EtcdJudgement {
  const about = judging('leader', nameOf(member));
  const leaderId = status?.leaderId;
  if (leaderId === undefined) {
    // The quorum's own finding says so once for all.
    if (quorum.canLose < 0) return about.notJudged('knows no leader, since there is no quorum');
    return about.finding({
      severity: 'warning',
      value: 'none',
      says: 'knows no leader, though the others have one',
      why: 'it is cut off from them: it answers no write, and no read that has to be new',
      remedy: 'see that it reaches the peer URLs of the others, and that its clock and certificates let it',
    });
  }
  if (leader === null || leaderId === leader.id) return about.good('knows the leader');
  return about.finding({
    severity: 'warning',
    value: leaderId,
    says: `follows member ${leaderId} in term ${status?.raftTerm}, while ${nameOf(leader)} leads in term ${leader.status?.raftTerm ?? '?'}`,
    why: 'right after an election it is so for a moment; for longer it means that members do not hear each other',
    remedy: 'look again; then see that every member reaches the peer URLs of all others',
  });
}

function judgeLag({ lag, ...member }: EtcdMemberView): EtcdJudgement {
  const about = judging('lag', nameOf(member));
  if (lag === null) return about.notJudged('not known');
  if (lag <= LAG_MAX) return about.good(`${lag} entries behind`, `${lag}`);
  return about.finding({
    severity: 'warning',
    value: `${lag}`,
    says: `has ${lag} entries not applied yet`,
    why: `more than ${LAG_MAX} behind, it refuses requests until it has caught up, and what it serves is old`,
    remedy: `see its disk and its network; one that never catches up is better replaced: hale etcd member replace ${member.id}`,
  });
}

function judgeAlarms({ members }: EtcdView): EtcdJudgement[] {
  const statuses = members.flatMap(({ status }) => status ?? []);
  const alarms = alarmsOf(statuses);
  if (alarms.length === 0) return statuses.length === 0 ? [] : [judging('alarm', CLUSTER).good('no alarm is raised')];
  return alarms.map((alarm) => {
    const member = members.find(({ id }) => id === alarm.memberId);
    return judging('alarm', member === undefined ? CLUSTER : nameOf(member)).finding({
      severity: 'critical',
      value: alarm.alarm,
      says: alarmText(alarm, member?.name || undefined),
      why: 'an alarm lasts until somebody disarms it, also when its cause is gone',
      remedy:
        alarm.alarm === 'NOSPACE'
          ? 'delete what fills it (hale etcd keys shows what does), then hale etcd reclaim-space'
          : WAY_OUT_OF_CORRUPTION,
    });
  });
}

const WAY_OUT_OF_CORRUPTION =
  'see whose hash differs below (hale etcd check), replace that member (hale etcd member replace NAME --living), then hale etcd alarm disarm (docs/guide/etcd.md)';

function judgeStrangers({ members, others }: EtcdView): EtcdJudgement[] {
  return others.map(({ url, status, problem }) =>
    judging('stranger', url).finding({
      severity: 'warning',
      value: status === undefined ? 'no answer' : status.memberId,
      says:
        status === undefined
          ? `gives no answer: ${problem ?? 'for no known reason'}`
          : `is member ${status.memberId}, which the others do not know: it was removed, or is of another cluster`,
      why: members.length === 0 ? 'nothing is known about it' : 'clients that are sent there are served by nobody, or with other data',
      remedy: 'correct the endpoints in the cluster description (etcd.endpoints, controlPlane.hosts) or --endpoints, or start the member',
    }),
  );
}
