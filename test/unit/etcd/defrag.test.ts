import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CAUGHT_UP_LAG, nextDefragStep, planDefrag } from '../../../src/core/etcd/upkeep/defrag.ts';
import { defragRefusal } from '../../../src/core/etcd/upkeep/defrag-gate.ts';
import { clusterView, type MemberFacts } from './views.ts';

const MIB = 1024 ** 2;
const full = { sizeBytes: 1000 * MIB, inUseBytes: 100 * MIB };
const worth = { minBytes: 100 * MIB, minShare: 0.3 };
const accepted = { pauseAccepted: true };
const refusalOf = (facts: MemberFacts[], options = accepted) => defragRefusal(clusterView(facts), options)?.code ?? null;

describe('the plan', () => {
  test('takes the most that comes free first, and the leader last', () => {
    const view = clusterView([full, { ...full, sizeBytes: 500 * MIB }, { ...full, sizeBytes: 800 * MIB }]);
    const { targets, stopsWrites } = planDefrag(view, { memberIds: [], worth });
    expect(targets.map(({ name, freesBytes, isLeader }) => [name, freesBytes / MIB, isLeader])).toEqual([
      ['m3', 700, false],
      ['m2', 400, false],
      ['m1', 900, true],
    ]);
    expect(stopsWrites).toBe(false);
  });

  test('leaves out what is not worth its pause, by size and by share, and says so', () => {
    const view = clusterView([
      { sizeBytes: 199 * MIB, inUseBytes: 100 * MIB },
      { sizeBytes: 1000 * MIB, inUseBytes: 701 * MIB },
      { sizeBytes: 200 * MIB, inUseBytes: 100 * MIB },
    ]);
    const { targets, skipped } = planDefrag(view, { memberIds: [], worth });
    expect(targets.map(({ name }) => name)).toEqual(['m3']);
    expect(skipped.map(({ name, why }) => `${name} ${why}`)).toEqual([
      'm1 not worth it: 99.0 MiB would come free, 100.0 MiB are wanted',
      'm2 not worth it: 29 % would come free, 30 % are wanted',
    ]);
    expect(planDefrag(view, { memberIds: [] }).targets).toHaveLength(3);
  });

  test('leaves out those that were not named, learners, and who does not answer', () => {
    const view = clusterView([full, full, { ...full, isDown: true }, { ...full, isLearner: true }, full]);
    const { targets, skipped } = planDefrag(view, { memberIds: ['2', '3', '4'] });
    expect(targets.map(({ name }) => name)).toEqual(['m2']);
    expect(skipped.map(({ name, why }) => `${name} ${why}`)).toEqual([
      'm1 is not among those that were named',
      'm3 does not answer: connect ECONNREFUSED',
      'm4 is a learner, which etcd does not defragment before it is promoted',
      'm5 is not among those that were named',
    ]);
  });

  test('a cluster of one or two serves nothing meanwhile', () => {
    for (const [members, stops] of [
      [1, true],
      [2, true],
      [3, false],
      [4, false],
      [5, false],
    ] as const) {
      const view = clusterView(Array.from({ length: members }, () => full));
      expect(planDefrag(view, { memberIds: [] }).stopsWrites).toBe(stops);
    }
  });
});

describe('a member is defragmented only where the others are a majority without it', () => {
  test('of three, when all answer', () => {
    expect(refusalOf([{}, {}, {}])).toBeNull();
    expect(refusalOf([{}, {}, { isDown: true }])).toBe('etcd_defrag_member_down');
    expect(refusalOf([{}, { isDown: true }, { isDown: true }])).toBe('etcd_quorum_lost');
  });

  test('of five, when four answer', () => {
    expect(refusalOf([{}, {}, {}, {}, { isDown: true }])).toBeNull();
    expect(refusalOf([{}, {}, {}, { isDown: true }, { isDown: true }])).toBe('etcd_defrag_member_down');
  });

  test('the arithmetic is in the message', () => {
    expect(defragRefusal(clusterView([{}, {}, { isDown: true }]), accepted)?.message).toBe(
      '2 of 3 voters answer, 2 are needed: none may fail; a member that is defragmented answers nothing, and 1 of 3 are fewer than 2. Down: m3 (connect ECONNREFUSED)',
    );
  });

  test('or, in a cluster of one or two, where somebody accepts that nothing is served; never while one of two is down', () => {
    expect(refusalOf([{}], { pauseAccepted: false })).toBe('etcd_defrag_stops_writes');
    expect(refusalOf([{}, {}], { pauseAccepted: false })).toBe('etcd_defrag_stops_writes');
    expect(refusalOf([{}])).toBeNull();
    expect(refusalOf([{}, {}])).toBeNull();
    expect(refusalOf([{}, { isDown: true }])).toBe('etcd_quorum_lost');
  });

  test('and not beside an alarm CORRUPT, a learner that is not in sync, or a voter that is behind', () => {
    expect(refusalOf([{}, {}, { errors: ['memberID:2 alarm:CORRUPT '] }])).toBe('etcd_alarm_corrupt');
    expect(refusalOf([{}, {}, { errors: ['memberID:2 alarm:NOSPACE '] }])).toBeNull();
    expect(refusalOf([{}, {}, {}, { isLearner: true, isDown: true }])).toBe('etcd_learner_not_in_sync');
    expect(refusalOf([{}, {}, {}, { isLearner: true, lag: CAUGHT_UP_LAG + 1 }])).toBe('etcd_learner_not_in_sync');
    expect(refusalOf([{}, {}, {}, { isLearner: true }])).toBeNull();
    expect(refusalOf([{}, {}, { lag: CAUGHT_UP_LAG + 1 }])).toBe('etcd_member_behind');
    expect(refusalOf([{}, {}, { lag: CAUGHT_UP_LAG }])).toBeNull();
  });

  test('no answer at all is no quorum', () => {
    expect(defragRefusal(clusterView([{ isDown: true }]), accepted)).toMatchObject({
      code: 'etcd_quorum_lost',
      message: expect.stringContaining('no member of etcd answers'),
    });
  });
});

/** What happens between two looks at the cluster, whoever does it. */
const events = fc.array(
  fc.record({
    down: fc.nat(6),
    up: fc.nat(6),
    leader: fc.nat(6),
    lagging: fc.nat(6),
    what: fc.constantFrom('calm', 'down', 'up', 'elect', 'lag'),
  }),
  { maxLength: 60 },
);
const memberFacts = fc.record({
  sizeBytes: fc.nat(2000 * MIB),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  isLearner: fc.boolean(),
});

test('whatever fails meanwhile: one at a time, never without a majority of the others, the leader only when it is alone, each member once', () => {
  fc.assert(
    fc.property(fc.array(memberFacts, { minLength: 1, maxLength: 7 }), events, (sizes, happening) => {
      const facts: MemberFacts[] = sizes.map(({ sizeBytes, share, isLearner }, i) => ({
        sizeBytes,
        inUseBytes: Math.floor(sizeBytes * share),
        isLearner: isLearner && i > 0,
      }));
      let leader = 1;
      const plan = planDefrag(clusterView(facts, leader), { memberIds: [], worth });
      let left = plan.targets.map(({ id }) => id);
      const done: string[] = [];
      for (const event of happening) {
        const at = (index: number) => facts[index % facts.length] as MemberFacts;
        if (event.what === 'down') at(event.down).isDown = true;
        if (event.what === 'up') at(event.up).isDown = false;
        if (event.what === 'lag') at(event.lagging).lag = at(event.lagging).lag === undefined ? CAUGHT_UP_LAG + 5 : 0;
        const elected = event.leader % facts.length;
        if (event.what === 'elect' && !facts[elected]?.isLearner && !facts[elected]?.isDown) leader = elected + 1;
        const view = clusterView(facts, leader);
        if (defragRefusal(view, accepted) !== null) continue;
        const step = nextDefragStep(view, left);
        if (step.kind === 'move-leader') {
          expect(step.from.id).toBe(`${leader}`);
          expect(step.to).toMatchObject({ isLearner: false, isLeader: false });
          // Leadership moves only when it is the leader's turn, and that is the last.
          expect(left).toEqual([`${leader}`]);
          leader = Number(step.to.id);
        }
        if (step.kind === 'defragment') {
          const others = view.members.filter(({ id, isLearner, status }) => !isLearner && id !== step.id && status?.leaderId !== undefined);
          if (view.quorum.voters > 2) {
            expect(others.length).toBeGreaterThanOrEqual(view.quorum.needed);
            expect(step.id).not.toBe(`${leader}`);
          }
          done.push(step.id);
          left = left.filter((id) => id !== step.id);
        }
      }
      expect(new Set(done).size).toBe(done.length);
      expect(done.every((id) => plan.targets.some((target) => target.id === id))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('the leader gives way to the follower that has applied most, and is defragmented then', () => {
  const facts = [full, { ...full, lag: 3 }, { ...full, lag: 1 }];
  const step = nextDefragStep(clusterView(facts), ['1']);
  expect(step).toMatchObject({ kind: 'move-leader', from: { name: 'm1' }, to: { name: 'm3' } });
  expect(nextDefragStep(clusterView(facts, 3), ['1'])).toEqual({ kind: 'defragment', id: '1' });
  expect(nextDefragStep(clusterView([full]), ['1'])).toEqual({ kind: 'defragment', id: '1' });
  expect(nextDefragStep(clusterView(facts), [])).toEqual({ kind: 'finished' });
});
