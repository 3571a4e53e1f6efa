import type { EtcdMemberView, EtcdView } from '../view.ts';
import { CLUSTER, type EtcdJudgement, judging, listText } from './judgement.ts';
import { nameOf } from '../member.ts';

/** Hash of a member's keys up to `revision`. */
export interface MemberHash {
  memberId: string;
  hash: number;
  /** -1 when nothing was compacted; hashes of different ones do not compare. */
  compactRevision: number;
}

export interface HashComparison {
  /** At which all were asked; null when nobody could be. */
  revision: number | null;
  hashes: readonly MemberHash[];
  /** Of members that have none, by their ids. */
  missing: ReadonlyMap<string, string>;
}

/** Whether all members hold the same keys. Those that differ from a majority of the voters are named. */
export function judgeHashes(view: EtcdView, { revision, hashes, missing }: HashComparison): EtcdJudgement[] {
  const names = new Map(view.members.map((member) => [member.id, nameOf(member)]));
  const about = judging('hash', CLUSTER);
  const unknown = [...missing].map(([id, why]) => judging('hash', names.get(id) ?? `member ${id}`).notJudged(why));
  if (revision === null || hashes.length < 2) {
    return view.members.length === 1
      ? [about.good('there is one member, which agrees with itself')]
      : [about.notJudged('fewer than two members could be compared'), ...unknown];
  }
  const compaction = mostCommon(hashes.map(({ compactRevision }) => compactRevision)) as number;
  const comparable = hashes.filter(({ compactRevision }) => compactRevision === compaction);
  const late = hashes
    .filter((hash) => !comparable.includes(hash))
    .map(({ memberId }) => judging('hash', names.get(memberId) as string).notJudged('was compacted at another revision: look again'));
  return [...judgeGroups(view, { revision, comparable }), ...late, ...unknown];
}

interface Compared {
  revision: number;
  comparable: readonly MemberHash[];
}

function judgeGroups({ members, quorum }: EtcdView, { revision, comparable }: Compared): EtcdJudgement[] {
  const about = judging('hash', CLUSTER);
  const commonest = mostCommon(comparable.map(({ hash }) => hash));
  const agreeing = comparable.filter(({ hash }) => hash === commonest);
  const named = (hashes: readonly MemberHash[]) => hashes.map(({ memberId }) => memberOf(members, memberId));
  if (agreeing.length === comparable.length) {
    return [
      about.good(`${listText(named(agreeing).map(nameOf))} hold the same keys at revision ${revision}`, hashText(commonest as number)),
    ];
  }
  const differing = comparable.filter(({ hash }) => hash !== commonest);
  if (agreeing.length < quorum.needed) {
    return [
      about.finding({
        severity: 'critical',
        value: comparable.map(({ memberId, hash }) => `${nameOf(memberOf(members, memberId))} ${hashText(hash)}`).join(', '),
        says: `the members hold different keys at revision ${revision}, and no majority of the voters agrees: ${listText(comparable.map(({ memberId, hash }) => `${nameOf(memberOf(members, memberId))} has ${hashText(hash)}`))}`,
        why: 'nobody can tell which is right: what clients read depends on whom they ask',
        remedy:
          'take a snapshot of each member now (hale etcd snapshot save); then restore the whole cluster from the one that you trust, or from one of before (hale etcd restore)',
      }),
    ];
  }
  return differing.map((hash) => judgeOdd(memberOf(members, hash.memberId), { revision, hash: hash.hash, agreeing: named(agreeing) }));
}

function judgeOdd(
  member: EtcdMemberView,
  { revision, hash, agreeing }: { revision: number; hash: number; agreeing: EtcdMemberView[] },
): EtcdJudgement {
  const others = listText(agreeing.map(nameOf));
  const ofAnotherRelease = agreeing.every(({ status }) => release(status?.version) !== release(member.status?.version));
  return judging('hash', nameOf(member)).finding({
    severity: 'critical',
    value: hashText(hash),
    says: `its keys are not those of ${others}, a majority, at revision ${revision}: its data is corrupt${ofAnotherRelease ? ', or its release of etcd hashes in another way' : ''}`,
    why: 'clients that are connected to it read wrong data, and what they write by it is wrong for all',
    remedy: `${ofAnotherRelease ? 'bring all members to one release and look again; if it still differs: ' : ''}replace it by itself with an empty data folder (hale etcd member replace ${member.id} --living)`,
  });
}

function memberOf(members: readonly EtcdMemberView[], id: string): EtcdMemberView {
  return members.find((member) => member.id === id) as EtcdMemberView;
}

/** `3.5` of `3.5.12`. */
function release(version: string | undefined): string {
  return version?.split('.').slice(0, 2).join('.') ?? '';
}

function mostCommon<T>(values: readonly T[]): T | undefined {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

function hashText(hash: number): string {
  return hash.toString(16).padStart(8, '0');
}
