import { describe, expect, test } from 'vitest';
import { LAST_SEQ } from '../../../src/core/lease/message.ts';
import { holdMs, timingProfiles } from '../../../src/core/lease/timing.ts';
import { Members, type Sent } from '../../support/members.ts';

const { leaseMs, renewMs, roundTimeoutMs } = timingProfiles.default;

const about = (kind: string) => (sent: Sent) => sent.message.kind === kind;

describe('holding', () => {
  test('exactly one member holds, and goes on holding', () => {
    const members = Members.holding();
    expect(members.holders).toEqual([0]);
    members.run(10 * leaseMs);
    expect(members.holders).toEqual([0]);
    expect(members.log.filter(({ output }) => output.kind === 'became-holder')).toHaveLength(1);
  });

  test('the lease counts from the asking and ends before any promise does', () => {
    const members = Members.holding();
    members.run(renewMs);
    members.drop = about('grant');
    const heard = members.now;
    members.run(renewMs);
    const role = members.states[0]?.role;
    if (role?.name !== 'holder') throw new Error('member 0 holds');
    expect(role.leaseEnd).toBeLessThanOrEqual(heard + holdMs(timingProfiles.default));
    expect(role.leaseEnd).toBeLessThan(members.states[1]?.granter.promise?.until ?? 0);
  });

  test('cut off from the majority, the holder withdraws by itself before another holds', () => {
    const members = Members.holding();
    members.drop = ({ from, to }) => from === 0 || to === 0;
    for (let ms = 0; ms < 3 * leaseMs; ms++) {
      members.run(1);
      expect(members.holders.length).toBeLessThanOrEqual(1);
    }
    expect(members.holders).toEqual([1]);
    expect(members.log.some(({ member, output }) => member === 0 && output.kind === 'lost' && output.reason === 'expired')).toBe(true);
  });

  test('an address that cannot be put on the interface is given up, and another member takes it', () => {
    const members = Members.holding();
    members.holdWorks = (member) => member !== 0;
    members.run(renewMs + leaseMs);
    expect(members.holders).toEqual([1]);
    members.run(5 * leaseMs);
    expect(members.holders).toEqual([1]);
  });
});

describe('hand-over', () => {
  const drained = (prepare: (members: Members) => void = () => {}): Members => {
    const members = Members.holding();
    prepare(members);
    members.log.length = 0;
    members.input(0, { kind: 'drain' });
    members.run(1);
    return members;
  };

  test('moves the lease at once, and the successor is prepared before the holder withdraws, and holds after', () => {
    const members = drained();
    expect(members.holders).toEqual([1]);
    const told = members.log.flatMap(({ member, output }) =>
      ['prepare', 'withdraw', 'hold'].includes(output.kind) ? [`${member} ${output.kind}`] : [],
    );
    expect(told.slice(0, 3)).toEqual(['1 prepare', '0 withdraw', '1 hold']);
  });

  test('nothing is given back before the kernel has said that the address is withdrawn', () => {
    const members = drained((m) => (m.withdrawWorks = false));
    members.run(leaseMs / 3);
    const given = members.log.filter(
      ({ member, output }) => member === 0 && output.kind === 'send' && ['yield', 'release'].includes(output.message.kind),
    );
    expect(given).toEqual([]);
    expect(members.holders).toEqual([]);
    members.withdrawWorks = true;
    members.run(2 * leaseMs);
    expect(members.holders).toHaveLength(1);
    expect(members.holders).not.toContain(0);
  });

  test('a lost yield is sent again', () => {
    let lost = 0;
    const members = drained((m) => (m.drop = (sent) => about('yield')(sent) && lost++ < 2));
    members.run(20);
    expect(lost).toBeGreaterThan(1);
    expect(members.holders).toEqual([1]);
  });

  test('a successor that does not answer is given up, and the drained holder steps down all the same', () => {
    const members = drained((m) => (m.drop = ({ from, to }) => from === 1 || to === 1));
    members.run(4 * roundTimeoutMs + 3 * leaseMs);
    expect(members.holders).toEqual([2]);
  });

  test('a drained member does not stand again until it resumes', () => {
    const members = drained((m) => [1, 2].forEach((member) => m.fitness(member, 'unable')));
    members.run(5 * leaseMs);
    expect(members.holders).toEqual([]);
    members.input(0, { kind: 'resume' });
    members.run(2 * leaseMs);
    expect(members.holders).toEqual([0]);
  });
});

describe("a holder's last words", () => {
  test('are followed by the next member in ring order within a millisecond and the round trips, not after the lease', () => {
    const members = Members.holding();
    members.drop = ({ from, to }) => from === 0 || to === 0;
    const release = { kind: 'release', round: { boot: members.states[0]?.boot as number, seq: LAST_SEQ }, term: 0 } as const;
    for (const member of [1, 2]) members.input(member, { kind: 'message', from: 0, message: release });
    members.run(2);
    expect(members.states.map((state) => state.role.name).slice(1)).toEqual(['holder', 'follower']);
  });
});

describe('two levels of health', () => {
  test('a holder without a ready backend keeps the address while nobody is better off', () => {
    const members = Members.holding();
    for (const member of [0, 1, 2]) members.fitness(member, 'poor');
    members.run(20 * leaseMs);
    expect(members.holders).toEqual([0]);
  });

  test('one wobble does not move the address, a lasting one does', () => {
    const members = Members.holding();
    members.fitness(0, 'poor');
    members.run(2 * leaseMs);
    members.fitness(0, 'good');
    members.run(10 * leaseMs);
    expect(members.holders).toEqual([0]);
    members.fitness(0, 'poor');
    members.run(5 * leaseMs);
    expect(members.holders).toEqual([1]);
  });

  test('a member that cannot hold passes the address on', () => {
    const members = Members.holding();
    members.fitness(0, 'unable');
    members.run(1);
    expect(members.holders).toEqual([1]);
  });
});
