import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HaleError } from '../../../src/base/error.ts';
import { type MemberPlan, planMemberChange } from '../../../src/core/etcd/members/change.ts';
import { isAlive, isPending } from '../../../src/core/etcd/members/state.ts';
import type { MemberTarget } from '../../../src/core/etcd/members/target.ts';
import { arithmeticText, stepText } from '../../../src/core/etcd/members/step.ts';
import { coming, leaving, type Sketch, three, viewFrom } from '../../support/etcd-view.ts';

const plan = (sketches: readonly Sketch[], target: Partial<MemberTarget>): MemberPlan => {
  const made = planMemberChange(viewFrom(sketches), { accepts: {}, ...target });
  if (made instanceof Error) throw made;
  return made;
};
const steps = (...args: Parameters<typeof plan>) => plan(...args).steps.map(({ kind }) => kind);
const refusal = (sketches: readonly Sketch[], target: Partial<MemberTarget>): HaleError => {
  const made = planMemberChange(viewFrom(sketches), { accepts: {}, ...target });
  expect(made).toBeInstanceOf(HaleError);
  return made as HaleError;
};
const DEAD = { dead: true };

describe('the order of steps', () => {
  test('a dead member is removed before its successor is added; that is a learner first', () => {
    const { steps: made } = plan(three({}, {}, DEAD), { leaving: leaving(2), coming: coming(7) });
    expect(made.map(({ kind }) => kind)).toEqual(['remove', 'add', 'start', 'promote']);
    expect(made.map(({ after }) => arithmeticText(after))).toEqual([
      '2 voters, 2 alive, 2 needed: none may fail',
      '2 voters, 2 alive, 2 needed: none may fail',
      '2 voters, 2 alive, 2 needed: none may fail',
      '3 voters, 3 alive, 2 needed: 1 may fail',
    ]);
  });

  test('from every point on the way the rest is planned', () => {
    const target = { leaving: leaving(2), coming: coming(7, { name: 'm2' }) };
    const two = three().slice(0, 2);
    expect(steps(two, { ...target, leaving: { ...leaving(2), id: 'b2' } })).toEqual(['add', 'start', 'promote']);
    const replaced = { ...target, leaving: { ...leaving(2), id: 'gone' } };
    expect(steps([...two, { name: '', learner: true, port: 7 }], replaced)).toEqual(['start', 'promote']);
    expect(steps([...two, { learner: true, port: 7, dead: true }], replaced)).toEqual(['start', 'promote']);
    expect(steps([...two, { learner: true, port: 7, lag: 90_000 }], replaced)).toEqual(['start', 'promote']);
    expect(steps([...two, { learner: true, port: 7 }], replaced)).toEqual(['promote']);
    expect(steps([...two, { port: 7 }], replaced)).toEqual([]);
  });

  test('a voter that was added without ever starting is waited for, and not promoted', () => {
    expect(steps([...three(), { name: '', port: 7 }], { coming: coming(7) })).toEqual(['start']);
  });

  test('leadership is moved away from the member that goes, to the voter that is furthest', () => {
    const { steps: made } = plan(three({}, { lag: 50 }), { leaving: leaving(0) });
    expect(made.map(stepText)).toEqual(['move leadership from m0 (member a0) to m2 (member a2)', 'remove m0 (member a0)']);
  });

  test('a living member that is replaced elsewhere stays until its successor has a vote; one that gives its name or URL up does not', () => {
    const accepts = { living: true };
    expect(steps(three(), { leaving: leaving(1), coming: coming(7), accepts })).toEqual(['add', 'start', 'promote', 'remove']);
    expect(steps(three(), { leaving: leaving(1), coming: coming(1), accepts })[0]).toBe('remove');
    expect(steps(three(), { leaving: leaving(1), coming: coming(7, { name: 'm1' }), accepts })[0]).toBe('remove');
  });

  test('kubeadm and k3s add and promote by themselves, and hale waits', () => {
    const joined = coming(7, { by: 'kubeadm' });
    expect(steps(three({}, {}, DEAD), { leaving: leaving(2), coming: joined })).toEqual(['remove', 'join']);
    expect(steps([...three(), { name: '', learner: true, port: 7 }], { coming: joined })).toEqual(['join']);
    expect(steps([...three(), { learner: true, port: 7 }], { coming: joined })).toEqual(['join']);
    expect(steps([...three(), { port: 7 }], { coming: joined })).toEqual([]);
  });
});

describe('what is refused, and why', () => {
  test.each<[string, readonly Sketch[], Partial<MemberTarget>, [string, string]]>([
    [
      'no quorum',
      three({}, DEAD, DEAD),
      { leaving: leaving(2) },
      ['etcd_quorum_lost', '1 of 3 voters answer, 2 are needed: the quorum is lost'],
    ],
    ['nobody answers', three(DEAD, DEAD, DEAD), { leaving: leaving(2) }, ['etcd_quorum_lost', 'no answer within the deadline']],
    [
      'the majority would be gone',
      three({}, {}, DEAD),
      { leaving: leaving(1) },
      ['etcd_quorum_at_risk', 'now 3 voters, 2 alive, 2 needed: none may fail; then 2 voters, 1 alive, 2 needed: quorum lost'],
    ],
    ['a voter is down', three({}, {}, DEAD), { coming: coming(7) }, ['etcd_member_down', 'm2 (member a2)']],
    ['another one is down', [...three(), DEAD, DEAD], { leaving: leaving(4), coming: coming(7) }, ['etcd_member_down', 'm3 (member a3)']],
    ['a learner is there', [...three(), { learner: true }], { coming: coming(7) }, ['etcd_change_under_way', 'm3 (member a3)']],
    ['one never started', [...three(), { name: '' }], { leaving: leaving(0) }, ['etcd_change_under_way', 'has not started']],
    ['it answers', three(), { leaving: leaving(2), coming: coming(7) }, ['etcd_member_alive', 'm2 (member a2) answers']],
    [
      'it answers, though it is cut off',
      three({}, {}, { lost: true }),
      { leaving: leaving(2), coming: coming(7) },
      ['etcd_member_alive', 'm2 (member a2) answers'],
    ],
    ['the others follow it', three({ dead: true }), { leaving: leaving(0) }, ['etcd_leader_unreachable', 'leads the others']],
    ['the name is taken', three(), { coming: coming(7, { name: 'm1' }) }, ['etcd_member_exists', 'm1 (member a1)']],
    ['the URL is taken', three(), { coming: coming(1, { name: 'm9' }) }, ['etcd_member_exists', 'm1 (member a1)']],
    ['it is a voter that is dead', three({}, DEAD), { coming: coming(1) }, ['etcd_member_down', 'is a voter already']],
    ['the last two', three().slice(0, 2), { leaving: leaving(1) }, ['etcd_single_member', 'one would be left']],
    ['the last', three().slice(0, 1), { leaving: leaving(0), accepts: { single: true } }, ['etcd_last_member', 'the only voter']],
    [
      'an alarm',
      three({ errors: [`memberID:${0xa1} alarm:NOSPACE `] }),
      { leaving: leaving(1) },
      ['etcd_alarm_raised', 'NOSPACE of member a1'],
    ],
    [
      'corruption of another',
      three({ errors: [`memberID:${0xa1} alarm:CORRUPT `] }),
      { leaving: leaving(2) },
      ['etcd_alarm_raised', 'CORRUPT of member a1'],
    ],
    [
      'it was exchanged',
      [...three(), { learner: true, port: 7 }],
      { coming: coming(7, { id: 'b' }) },
      ['etcd_members_changed', 'in place of'],
    ],
    ['it was removed', three(), { coming: coming(7, { id: 'b' }) }, ['etcd_members_changed', 'member b was removed']],
  ])('%s', (_, sketches, target, [code, words]) => {
    const error = refusal(sketches, target);
    expect(error).toMatchObject({ code, remedy: expect.stringMatching(/./) });
    expect(error.message).toContain(words);
  });

  test('what the refusal of an addition says to do first is possible, and then the addition is', () => {
    expect(refusal(three({}, {}, DEAD), { coming: coming(7) }).remedy).toContain('hale etcd member remove a2');
    expect(steps(three({}, {}, DEAD), { leaving: leaving(2) })).toEqual(['remove']);
    expect(steps(three().slice(0, 2), { coming: coming(7) })).toEqual(['add', 'start', 'promote']);
  });

  test('a voter that is far behind does not count as alive, one that is a little behind does', () => {
    expect(refusal(three({}, {}, { lag: 20_000 }), { leaving: leaving(1) }).code).toBe('etcd_quorum_at_risk');
    expect(steps(three({}, {}, { lag: 200 }), { leaving: leaving(1) })).toEqual(['remove']);
  });

  test('members that do not agree on the leader', () => {
    const view = viewFrom(three());
    const members = view.members.map((member, i) =>
      i === 2 && member.status !== null ? { ...member, status: { ...member.status, leaderId: 'a2' } } : member,
    );
    expect(planMemberChange({ ...view, members }, { leaving: leaving(1), accepts: {} })).toMatchObject({ code: 'etcd_electing' });
  });
});

describe('what is possible', () => {
  test('a member whose data is corrupt is replaced in spite of the alarm, and the alarm of one that is gone names the way', () => {
    const corrupt = { errors: [`memberID:${0xa1} alarm:CORRUPT `] };
    expect(steps(three(corrupt, DEAD), { leaving: leaving(1), coming: coming(7) })[0]).toBe('remove');
    const gone = refusal(three({ errors: [`memberID:${0xff} alarm:CORRUPT `] }), { leaving: leaving(1) });
    expect(gone.message).toContain('no member any more');
  });

  test('an addition is undone, also when a voter is down or another learner is there', () => {
    expect(steps([...three({}, {}, DEAD), { name: '', learner: true }], { leaving: leaving(3) })).toEqual(['remove']);
    expect(steps([...three(), { name: '' }, { name: '', learner: true }], { leaving: leaving(3) })).toEqual(['remove']);
  });

  test('3 voters become 2 with a warning, and 2 become 1 when that is said', () => {
    expect(plan(three(), { leaving: leaving(2) }).warnings.join()).toContain('2 voters tolerate no failure, as 1 do');
    expect(steps(three().slice(0, 2), { leaving: leaving(1), accepts: { single: true } })).toEqual(['remove']);
  });

  test('the only member is replaced by one that is added first', () => {
    const target = { leaving: leaving(0), coming: coming(7), accepts: { living: true } };
    expect(steps(three().slice(0, 1), target)).toEqual(['add', 'start', 'promote', 'move-leader', 'remove']);
  });
});

/** Any cluster, and any wish for it. */
const sketch: fc.Arbitrary<Sketch> = fc.record({
  name: fc.option(fc.constantFrom('', 'm1', 'x'), { nil: undefined, freq: 4 }) as fc.Arbitrary<string>,
  dead: fc.boolean(),
  learner: fc.boolean().map((value) => value),
  lag: fc.constantFrom(0, 0, 10, 20_000),
  lost: fc.boolean().map((value) => value),
  leader: fc.boolean(),
});
const voterMostly = fc.oneof(
  { weight: 5, arbitrary: fc.record({ dead: fc.boolean(), leader: fc.boolean() }) },
  { weight: 1, arbitrary: sketch },
);
const wanted = fc.record(
  {
    leaving: fc.nat(7).map((i) => leaving(i)),
    coming: fc.tuple(fc.nat(9), fc.constantFrom('hale' as const, 'kubeadm' as const)).map(([port, by]) => coming(port, { by })),
    accepts: fc.record({ living: fc.boolean(), single: fc.boolean() }),
  },
  { requiredKeys: ['accepts'] },
);

test('no plan has a step after which the voters alive are too few, adds before the dead are gone, or has two members without a vote', () => {
  let plans = 0;
  fc.assert(
    fc.property(fc.array(voterMostly, { minLength: 1, maxLength: 7 }), wanted, (sketches, target) => {
      const view = viewFrom(sketches);
      const made = planMemberChange(view, target);
      if (made instanceof Error) return;
      plans += made.steps.length > 0 ? 1 : 0;
      const voters = new Map(view.members.filter(({ isLearner }) => !isLearner).map((member) => [member.id, isAlive(member)]));
      const pending = new Set(view.members.filter(isPending).map(({ id }) => id));
      const before = pending.size;
      let leader = view.leader?.id;
      let added = view.members.find(({ id, peerUrls }) => id !== target.leaving?.id && peerUrls[0] === target.coming?.peerUrls[0])?.id;
      for (const step of made.steps) {
        if (step.kind === 'move-leader') {
          const heir = step.to.id === '' ? 'new' : step.to.id;
          expect(voters.get(heir)).toBe(true);
          leader = heir;
        }
        if (step.kind === 'remove') {
          expect(step.member.id).not.toBe(leader);
          voters.delete(step.member.id);
          pending.delete(step.member.id);
        }
        if (step.kind === 'add' || step.kind === 'join') {
          if (added === undefined) expect([...voters.values()].every(Boolean)).toBe(true);
          added ??= 'new';
          pending.add(added);
        }
        if (step.kind === 'start' && voters.has(added ?? '')) {
          voters.set(added as string, true);
          pending.delete(added as string);
        }
        if (step.kind === 'promote' || step.kind === 'join') {
          voters.set(added as string, true);
          pending.delete(added as string);
        }
        const alive = [...voters.values()].filter(Boolean).length;
        expect(step.after).toMatchObject({ voters: voters.size, alive });
        expect(alive).toBeGreaterThanOrEqual(Math.floor(voters.size / 2) + 1);
        expect(pending.size).toBeLessThanOrEqual(Math.max(1, before));
      }
    }),
    { numRuns: 5000 },
  );
  expect(plans).toBeGreaterThan(300);
});
