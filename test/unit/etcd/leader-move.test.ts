import { expect, test } from 'vitest';
import { CAUGHT_UP_LAG } from '../../../src/core/etcd/upkeep/defrag.ts';
import { planLeaderMove } from '../../../src/core/etcd/upkeep/leader-move.ts';
import { clusterView, type MemberFacts } from './views.ts';

const move = (facts: MemberFacts[], wantedId?: string) => {
  const plan = planLeaderMove(clusterView(facts), wantedId);
  return plan.kind === 'refused' ? plan.refusal : plan.kind === 'move' ? plan.to.name : plan.kind;
};
const refused = (message: string) => ({ code: 'etcd_leader_target', message });

test('leadership goes to the freshest voter, or to the one that is named', () => {
  expect(move([{}, { lag: 5 }, { lag: 2 }])).toBe('m3');
  expect(move([{}, { lag: 5 }, { lag: 2 }], '2')).toBe('m2');
  expect(move([{}, {}, {}], '1')).toBe('none');
});

test('never to who could not lead at once', () => {
  expect(move([{}, {}, { isDown: true }], '3')).toMatchObject(refused('m3 does not answer: connect ECONNREFUSED'));
  expect(move([{}, {}, {}, { isLearner: true }], '4')).toMatchObject(refused('m4 is a learner, which cannot lead'));
  const late = { lag: CAUGHT_UP_LAG + 1 };
  expect(move([{}, {}, late], '3')).toMatchObject(refused(`m3 is ${CAUGHT_UP_LAG + 1} entries behind`));
  expect(move([{}, {}, {}], '9')).toMatchObject(refused('no member has the id 9'));
  expect(move([{}, late, late])).toMatchObject(refused('no other voter answers and has caught up'));
  expect(move([{}])).toMatchObject(refused('no other voter answers and has caught up'));
});

test('and not without a quorum', () => {
  expect(move([{}, { isDown: true }, { isDown: true }])).toMatchObject({ code: 'etcd_quorum_lost' });
});
