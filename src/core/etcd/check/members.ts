import { parseIp } from '../../../base/address.ts';
import type { EtcdPeerEnd } from '../status/observation.ts';
import { parseEtcdUrl } from '../url.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';
import type { EtcdZone } from '../zones.ts';
import { CLUSTER, type EtcdJudgement, judging, listText } from './judgement.ts';
import { nameOf } from '../member.ts';

/** Past that every write waits for more members than it gains by (etcd.io, "FAQ: What is the maximum cluster size?"). */
const VOTERS_MAX = 7;

/** How many members there are, who has a vote, and where they are. */
export function judgeMembers(view: EtcdView, zones: readonly EtcdZone[]): EtcdJudgement[] {
  return [judgeNumber(view), ...judgeLearners(view), ...judgeZones(view, zones)];
}

function judgeNumber({ quorum: { voters, needed } }: EtcdView): EtcdJudgement {
  const about = judging('members', CLUSTER);
  const value = `${voters}`;
  if (voters === 0) return about.notJudged('nobody tells how many members there are');
  if (voters === 1) {
    return about.finding({
      severity: 'warning',
      value,
      says: 'has one voter',
      why: 'when it fails, etcd and the API fail, and what no snapshot holds is lost with its disk',
      remedy: 'add two members, one at a time: hale etcd member add',
    });
  }
  if (voters % 2 === 0) {
    return about.finding({
      severity: 'warning',
      value,
      says: `has ${voters} voters, an even number`,
      why: `${needed} must agree, so that no more may fail than of ${voters - 1}, and one more is there to fail`,
      remedy: 'finish the change of members that led here: hale etcd member add, or hale etcd member remove',
    });
  }
  if (voters > VOTERS_MAX) {
    return about.finding({
      severity: 'warning',
      value,
      says: `has ${voters} voters`,
      why: `each write waits for ${needed} of them; etcd advises ${VOTERS_MAX} at most`,
      remedy: 'remove some, one at a time: hale etcd member remove',
    });
  }
  return about.good(`has ${voters} voters, of which ${voters - needed} may fail`, value);
}

function judgeLearners({ members }: EtcdView): EtcdJudgement[] {
  const learners = members.filter(({ isLearner, name }) => isLearner && name !== '');
  if (learners.length === 0) return [judging('learner', CLUSTER).good('no learner is left behind')];
  return learners.map((member) =>
    judging('learner', nameOf(member)).finding({
      severity: 'warning',
      value: member.lag === null ? null : `${member.lag} entries behind`,
      says: member.lag === null ? 'is a learner, and gives no answer' : `is a learner, ${member.lag} entries behind`,
      why: 'it has no vote and serves nobody, and no other learner can be added while it is there',
      remedy: `promote it once it has caught up (hale etcd member promote ${member.id}), or remove it (hale etcd member remove ${member.id})`,
    }),
  );
}

/** Only of zones as they are when all is well: a member that is down is a finding of its own. */
function judgeZones({ quorum }: EtcdView, zones: readonly EtcdZone[]): EtcdJudgement[] {
  const about = judging('zone', CLUSTER);
  if (zones.length === 0) return [];
  const costly = zones.filter(({ voters }) => quorum.voters - voters.length < quorum.needed);
  if (costly.length === 0) return [about.good(`any one zone of ${listText(zones.map(({ zone }) => zone))} may fail`)];
  return costly.map(({ zone, voters }) =>
    about.finding({
      severity: 'warning',
      value: zone,
      says: `zone ${zone} has ${listText(voters)}, ${voters.length} of ${quorum.voters} voters`,
      why: 'when that zone fails, the quorum is lost',
      remedy: 'spread the voters over three zones, so that each has fewer than half; two zones cannot do it',
    }),
  );
}

/** Whether members can reach each other where they say that they are. `ends` are by peer URL, as this host sees them. */
export function judgePeerUrls({ members }: EtcdView, ends: ReadonlyMap<string, EtcdPeerEnd>): EtcdJudgement[] {
  const onThisMachineOnly = members.every(({ peerUrls }) => peerUrls.every(isLoopback));
  return members.flatMap((member) => {
    const found = member.peerUrls.flatMap((url) => {
      const sharing = members.filter((other) => other.id !== member.id && other.peerUrls.includes(url));
      return [
        ...(sharing.length > 0 ? [shared(member, { url, sharing })] : []),
        ...(url.startsWith('https://') ? [] : [unencrypted(member, url)]),
        ...(isLoopback(url) && !onThisMachineOnly ? [loopback(member, url)] : []),
        ...(ends.get(url)?.addresses.length === 0 ? [unresolved(member, url)] : []),
      ];
    });
    return found.length > 0 ? found : [judging('peer-url', nameOf(member)).good(`${member.peerUrls.join(', ')} is its own`)];
  });
}

function shared(member: EtcdMemberView, { url, sharing }: { url: string; sharing: readonly EtcdMemberView[] }): EtcdJudgement {
  return judging('peer-url', nameOf(member)).finding({
    severity: 'critical',
    value: url,
    says: `has the peer URL ${url}, as ${listText(sharing.map(nameOf))} has`,
    why: 'two members cannot be in one place: one of them is counted and is not there',
    remedy: 'see which of them is there, and remove the other (hale etcd member remove)',
  });
}

function unencrypted(member: EtcdMemberView, url: string): EtcdJudgement {
  return judging('peer-url', nameOf(member)).finding({
    severity: 'warning',
    value: url,
    says: `has the peer URL ${url}, without TLS`,
    why: 'whoever reaches that port reads all Secrets of the cluster, and can join it',
    remedy: `give it peer certificates, then hale etcd member update ${member.id} --peer-url https://…, one member at a time`,
  });
}

function loopback(member: EtcdMemberView, url: string): EtcdJudgement {
  return judging('peer-url', nameOf(member)).finding({
    severity: 'warning',
    value: url,
    says: `has the peer URL ${url}, which leads every other host to itself`,
    why: 'the other members cannot open a connection to it',
    remedy: `hale etcd member update ${member.id} --peer-url https://ITS-ADDRESS:2380`,
  });
}

function unresolved(member: EtcdMemberView, url: string): EtcdJudgement {
  return judging('peer-url', nameOf(member)).finding({
    severity: 'warning',
    value: url,
    says: `has the peer URL ${url}, whose name does not resolve on this host`,
    why: 'members that cannot resolve it cannot open a connection to it',
    remedy: 'correct DNS or /etc/hosts on every host; addresses instead of names need neither',
  });
}

function isLoopback(url: string): boolean {
  const host = parseEtcdUrl(url)?.host ?? '';
  const bytes = parseIp(host);
  if (bytes === undefined) return host === 'localhost';
  return bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}
