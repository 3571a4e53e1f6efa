import type { EtcdMember, EtcdMemberStatus } from './member.ts';
import { type Quorum, quorumOf } from './quorum.ts';

/** What one URL answered, or why it did not. */
export interface EtcdAnswer {
  url: string;
  status?: EtcdMemberStatus;
  /** The members that it knows. */
  members?: readonly EtcdMember[];
  roundTripMs?: number;
  problem?: string;
}

export interface EtcdMemberView {
  id: string;
  /** Empty until the member has started for the first time. */
  name: string;
  peerUrls: readonly string[];
  clientUrls: readonly string[];
  isLearner: boolean;
  isLeader: boolean;
  /** Where it was asked; null when nobody knows a URL of it. */
  url: string | null;
  /** Null when it did not answer; `problem` says why. */
  status: EtcdMemberStatus | null;
  roundTripMs: number | null;
  /** Raft entries that the furthest member has committed and this one has not applied. */
  lag: number | null;
  problem: string | null;
}

/** One look at a cluster of etcd: its members, as the furthest of those that answer knows them, and how each is. */
export interface EtcdView {
  /** By name, then by id. */
  members: readonly EtcdMemberView[];
  leader: EtcdMemberView | null;
  quorum: Quorum;
  /** URLs that were to be asked and belong to no member: nobody answered there, or somebody who is none (any more). */
  others: readonly EtcdAnswer[];
}

export function viewOf(answers: readonly EtcdAnswer[]): EtcdView {
  const best = furthest(answers);
  const known = best?.members ?? [];
  const index = Math.max(0, ...answers.map(({ status }) => status?.raftIndex ?? 0));
  const taken = new Map(known.map((member) => [member.id, answerOf(member, answers)]));
  const leaderId = best?.status?.leaderId;
  const members = known.map((member) => memberView(member, { answer: taken.get(member.id), index, isLeader: member.id === leaderId }));
  const ids = new Set(known.map(({ id }) => id));
  const used = new Set(taken.values());
  // A member that was asked at two of its URLs is no stranger at the second.
  const others = answers.filter((answer) => !used.has(answer) && !(answer.status !== undefined && ids.has(answer.status.memberId)));
  const voters = members.filter(({ isLearner }) => !isLearner);
  const alive = voters.filter(({ status }) => status?.leaderId !== undefined).length;
  return {
    members: members.sort((a, b) => compareText(a.name, b.name) || compareText(a.id, b.id)),
    leader: members.find(({ isLeader }) => isLeader) ?? null,
    quorum: quorumOf(voters.length, alive),
    others,
  };
}

/** Of those that answer, the one that has applied most of the newest term: what it knows of the members is newest. */
function furthest(answers: readonly EtcdAnswer[]): EtcdAnswer | undefined {
  const answered = answers.filter(({ status, members }) => status !== undefined && members !== undefined);
  const rank = ({ status }: EtcdAnswer) => [status?.leaderId === undefined ? 0 : 1, status?.raftTerm ?? 0, status?.raftAppliedIndex ?? 0];
  return answered.toSorted((a, b) => compareRanks(rank(b), rank(a)))[0];
}

function answerOf(member: EtcdMember, answers: readonly EtcdAnswer[]): EtcdAnswer | undefined {
  return (
    answers.find(({ status }) => status?.memberId === member.id) ??
    // Who answered for another member is not this one, whatever its URL.
    answers.find(({ url, status }) => status === undefined && member.clientUrls.some((own) => sameUrl(own, url)))
  );
}

function memberView(
  member: EtcdMember,
  { answer, index, isLeader }: { answer: EtcdAnswer | undefined; index: number; isLeader: boolean },
): EtcdMemberView {
  const status = answer?.status ?? null;
  return {
    ...member,
    isLeader,
    url: answer?.url ?? member.clientUrls[0] ?? null,
    status,
    roundTripMs: answer?.roundTripMs ?? null,
    lag: status === null ? null : index - status.raftAppliedIndex,
    problem: answer?.problem ?? (member.name === '' ? 'was added and has not started yet' : status === null ? 'was not asked' : null),
  };
}

export function sameUrl(a: string, b: string): boolean {
  return a.replace(/\/$/, '') === b.replace(/\/$/, '');
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** By the first number in which they differ. */
export function compareRanks(a: readonly number[], b: readonly number[]): number {
  return a.map((value, i) => value - (b[i] as number)).find((difference) => difference !== 0) ?? 0;
}
