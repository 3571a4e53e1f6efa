import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HaleError } from '../../../src/base/error.ts';
import { planPeerUrls } from '../../../src/core/etcd/members/peer-urls.ts';
import { isAlive } from '../../../src/core/etcd/members/state.ts';
import { type Sketch, urlOf, viewFrom } from '../../support/etcd-view.ts';

const plan = (sketches: readonly Sketch[], wanted: { member: string; port: number }) =>
  planPeerUrls(viewFrom(sketches), { member: wanted.member, peerUrls: [urlOf(wanted.port)] });
const codeOf = (planned: ReturnType<typeof plan>) => (planned instanceof HaleError ? planned.code : planned.isDone);
const LEADER = { leader: true };
const DEAD = { dead: true };

test('a member may go where no other is, unless the quorum needs it; one that is there already is done', () => {
  expect(codeOf(plan([LEADER, {}, {}], { member: 'm1', port: 70 }))).toBe(false);
  expect(codeOf(plan([LEADER, {}, {}], { member: 'm1', port: 1 }))).toBe(true);
  expect(codeOf(plan([LEADER, {}, {}], { member: 'm1', port: 2 }))).toBe('etcd_member_exists');
  expect(codeOf(plan([LEADER, {}, DEAD], { member: 'm1', port: 70 }))).toBe('etcd_quorum_at_risk');
  expect(codeOf(plan([LEADER, {}, DEAD], { member: 'm2', port: 70 }))).toBe(false);
  expect(codeOf(plan([LEADER, {}, DEAD, { learner: true }], { member: 'm3', port: 70 }))).toBe(false);
  expect(codeOf(plan([{ lost: true }, DEAD, DEAD], { member: 'm1', port: 70 }))).toBe('etcd_quorum_lost');
  // Nobody else has to reach it.
  expect(codeOf(plan([LEADER], { member: 'm0', port: 70 }))).toBe(false);
});

test('whatever is changed, a majority is alive without that member', () => {
  const sketches = fc.array(fc.record({ dead: fc.boolean(), learner: fc.boolean() }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sketches, fc.nat(6), (others, at) => {
      const all = [LEADER, ...others];
      const member = `m${at % all.length}`;
      const planned = plan(all, { member, port: 70 });
      if (planned instanceof HaleError) return;
      const voters = viewFrom(all).members.filter(({ isLearner }) => !isLearner);
      const rest = voters.filter((voter) => voter.name !== member && isAlive(voter));
      expect(rest.length > voters.length / 2 || voters.length === 1).toBe(true);
    }),
  );
});
