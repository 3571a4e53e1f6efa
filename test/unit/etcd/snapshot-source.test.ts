import { expect, test } from 'vitest';
import type { EtcdMemberStatus } from '../../../src/core/etcd/member.ts';
import { corruptMembers, snapshotSources } from '../../../src/core/etcd/snapshot/source.ts';
import { type EtcdAnswer, viewOf } from '../../../src/core/etcd/view.ts';

const IDS = ['a1', 'b2', 'c3', 'd4'];
const members = IDS.map((id, i) => ({
  id,
  name: `m${i + 1}`,
  peerUrls: [],
  clientUrls: [`https://10.0.0.${i + 1}:2379`],
  isLearner: id === 'd4',
}));

function answer(i: number, status: Partial<EtcdMemberStatus>): EtcdAnswer {
  const member = members[i] as (typeof members)[number];
  const index = { raftIndex: 5000, raftAppliedIndex: 5000 };
  const rest = { dbSizeBytes: 1, dbSizeInUseBytes: 1, version: '3.6.14', errors: [], quotaBytes: undefined, revision: 1, raftTerm: 2 };
  const own = { memberId: member.id, leaderId: 'a1', isLearner: member.isLearner };
  return { url: member.clientUrls[0] as string, members, status: { ...rest, ...index, ...own, ...status } };
}

const order = (...answers: EtcdAnswer[]) => snapshotSources(viewOf(answers)).map(({ name }) => name);

test('the follower that has applied most comes first, then the others, the leader last, a learner never', () => {
  expect(order(answer(0, {}), answer(1, { raftAppliedIndex: 4990 }), answer(2, { raftAppliedIndex: 4999 }), answer(3, {}))).toEqual([
    'm3',
    'm2',
    'm1',
  ]);
});

test('a follower that is far behind comes after the leader', () => {
  expect(order(answer(0, {}), answer(1, { raftAppliedIndex: 10 }), answer(2, {}))).toEqual(['m3', 'm1', 'm2']);
});

test('who does not answer is not asked, who knows no leader after those who do', () => {
  const cutOff = answer(1, { leaderId: undefined, raftAppliedIndex: 6000 });
  expect(order(answer(0, {}), cutOff)).toEqual(['m1', 'm2']);
  expect(order(cutOff)).toEqual(['m2']);
  expect(order({ url: 'https://10.0.0.1:2379', problem: 'down' })).toEqual([]);
});

test('a member that etcd calls corrupt comes last', () => {
  const errors = [`memberID:${0xc3} alarm:CORRUPT `];
  const answers = [answer(0, { errors }), answer(1, { errors, raftAppliedIndex: 4000 }), answer(2, { errors })];
  expect(order(...answers)).toEqual(['m2', 'm1', 'm3']);
  expect([...corruptMembers(viewOf(answers).members)]).toEqual(['c3']);
});
