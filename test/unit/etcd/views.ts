import type { EtcdMemberStatus } from '../../../src/core/etcd/member.ts';
import { type EtcdAnswer, type EtcdView, viewOf } from '../../../src/core/etcd/view.ts';

export interface MemberFacts {
  isLearner?: boolean;
  /** Does not answer. */
  isDown?: boolean;
  /** Entries behind the furthest. */
  lag?: number;
  sizeBytes?: number;
  inUseBytes?: number;
  errors?: string[];
  quotaBytes?: number;
}

const INDEX = 100_000;

/** A cluster as it would be seen: members m1, m2, … with the ids 1, 2, …; `leader` is the number of the one that leads. */
export function clusterView(facts: readonly MemberFacts[], leader = 1): EtcdView {
  const members = facts.map(({ isLearner = false }, i) => ({
    id: `${i + 1}`,
    name: `m${i + 1}`,
    peerUrls: [`https://10.0.0.${i + 1}:2380`],
    clientUrls: [urlOf(i)],
    isLearner,
  }));
  const answers = facts.map((fact, i): EtcdAnswer => {
    if (fact.isDown) return { url: urlOf(i), problem: 'connect ECONNREFUSED' };
    return { url: urlOf(i), status: statusOf(fact, { id: `${i + 1}`, leaderId: `${leader}` }), members };
  });
  return viewOf(answers);
}

function urlOf(i: number): string {
  return `https://10.0.0.${i + 1}:2379`;
}

function statusOf(fact: MemberFacts, { id, leaderId }: { id: string; leaderId: string }): EtcdMemberStatus {
  const { lag = 0, sizeBytes = 0, inUseBytes = 0, errors = [], isLearner = false, quotaBytes } = fact;
  return {
    memberId: id,
    leaderId,
    raftTerm: 2,
    raftIndex: INDEX,
    raftAppliedIndex: INDEX - lag,
    revision: INDEX,
    dbSizeBytes: sizeBytes,
    dbSizeInUseBytes: inUseBytes,
    isLearner,
    version: '3.5.0',
    errors,
    quotaBytes,
  };
}
