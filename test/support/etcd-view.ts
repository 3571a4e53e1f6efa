import type { EtcdMember, EtcdMemberStatus } from '../../src/core/etcd/member.ts';
import type { MemberTarget } from '../../src/core/etcd/members/target.ts';
import { type EtcdAnswer, type EtcdView, viewOf } from '../../src/core/etcd/view.ts';

/** How one member of a made-up cluster is. */
export interface Sketch {
  name?: string;
  dead?: boolean;
  learner?: boolean;
  /** Entries behind the others. */
  lag?: number;
  leader?: boolean;
  /** Of its peer URL; its place in the list when absent. */
  port?: number;
  errors?: string[];
  /** Answers, and knows no leader. */
  lost?: boolean;
}

const INDEX = 100_000;
export const urlOf = (port: number) => `https://10.0.0.1:${port}`;

export function viewFrom(sketches: readonly Sketch[]): EtcdView {
  const members: EtcdMember[] = sketches.map(({ name, learner = false, port }, i) => ({
    id: `a${i}`,
    name: name ?? `m${i}`,
    peerUrls: [urlOf(port ?? i)],
    clientUrls: name === '' ? [] : [`https://10.0.0.1:9${i}`],
    isLearner: learner,
  }));
  const leader = sketches.findIndex((sketch) => sketch.leader);
  const answers = sketches.flatMap((sketch, i): EtcdAnswer[] => {
    const { name, dead, learner = false, lag = 0, errors = [], lost } = sketch;
    if (name === '') return [];
    const url = `https://10.0.0.1:9${i}`;
    if (dead) return [{ url, problem: 'no answer within the deadline' }];
    const status: EtcdMemberStatus = {
      memberId: `a${i}`,
      leaderId: leader === -1 || lost ? undefined : `a${leader}`,
      raftTerm: 2,
      raftIndex: INDEX,
      raftAppliedIndex: INDEX - lag,
      revision: 5,
      dbSizeBytes: 1,
      dbSizeInUseBytes: 1,
      isLearner: learner,
      version: '3.5.0',
      errors,
      quotaBytes: undefined,
    };
    return [learner ? { url, status } : { url, status, members }];
  });
  return viewOf(answers);
}

export const coming = (port: number, more: Partial<NonNullable<MemberTarget['coming']>> = {}): NonNullable<MemberTarget['coming']> => ({
  name: `m${port}`,
  peerUrls: [urlOf(port)],
  by: 'hale',
  ...more,
});
export const leaving = (i: number) => ({ id: `a${i}`, name: `m${i}`, peerUrls: [urlOf(i)] });
export const three = (...changes: Sketch[]) => [{ leader: true }, {}, {}].map((sketch, i) => ({ ...sketch, ...changes[i] }));
