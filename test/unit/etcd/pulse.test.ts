import { describe, expect, test } from 'vitest';
import {
  type Beat,
  fewestBeats,
  isCalm,
  newPulse,
  onBeat,
  type Pulse,
  PULSE_LIMITS,
  RECENT,
  withAway,
  withBaseline,
} from '../../../src/core/etcd/upkeep/pulse.ts';

const members = [
  { id: 'a', name: 'm1' },
  { id: 'b', name: 'm2' },
];
const EVERY_MS = 200;

/** Beats of one member, from `from` on, one after another; null: no answer. */
const beats = (memberId: string, latencies: readonly (number | null)[], from = 0): Beat[] =>
  latencies.map((latencyMs, i) => {
    const sentAt = from + i * EVERY_MS;
    const problem = latencyMs === null ? { problem: 'connect ECONNREFUSED' } : {};
    return { memberId, sentAt, now: sentAt + (latencyMs ?? 1), latencyMs, ...problem };
  });
const after = (pulse: Pulse, all: readonly Beat[]) => all.reduce((state, beat) => onBeat(state, beat, PULSE_LIMITS), pulse);
const usual = (latencyMs: number) => Array.from({ length: RECENT }, () => latencyMs);
const withUsual = (latencyMs: number) =>
  withBaseline(after(newPulse(members), [...beats('a', usual(latencyMs)), ...beats('b', usual(latencyMs))]));

describe('what is usual', () => {
  test('is known when every member was asked often enough', () => {
    const some = after(newPulse(members), beats('a', usual(4)));
    expect(fewestBeats(some)).toBe(0);
    expect(fewestBeats(after(some, beats('b', usual(4))))).toBe(RECENT);
    expect(withUsual(4).members.a?.baselineMs).toBe(4);
  });

  test('of a member that never answered is unknown, and it counts as not calm', () => {
    const pulse = withBaseline(after(newPulse(members), [...beats('a', usual(4)), ...beats('b', [null])]));
    expect(pulse.members.b?.baselineMs).toBeNull();
    expect(isCalm(pulse)).toBe(false);
    expect(isCalm(withUsual(4))).toBe(true);
  });
});

describe('degraded', () => {
  test('is a member that is ten times slower than usual for three seconds without a break', () => {
    const slow = Array.from({ length: 15 }, () => 900);
    expect(after(withUsual(80), beats('b', slow)).degraded).toMatch(
      /^m2 takes 900 ms for a read, before 80 ms, and has been slow for 3\.\d s$/,
    );
    expect(after(withUsual(80), beats('b', slow.with(7, 700))).degraded).toBeNull();
    expect(after(withUsual(100), beats('b', slow)).degraded).toBeNull();
  });

  test('is not a fast member that becomes less fast', () => {
    expect(
      after(
        withUsual(1),
        beats(
          'b',
          Array.from({ length: 50 }, () => 240),
        ),
      ).degraded,
    ).toBeNull();
  });

  test('is a member that does not answer for a second; one broken connection is none', () => {
    expect(after(withUsual(4), beats('b', [null, null, null, null, null, null, null])).degraded).toBe(
      'm2 does not answer: connect ECONNREFUSED',
    );
    expect(after(withUsual(4), beats('b', [null, 4, null, 4, null, 4, null, 4])).degraded).toBeNull();
  });

  test('is another leader, another term, and none; not what nobody expects otherwise', () => {
    const [beat] = beats('b', [4]) as [Beat];
    const expected = { ...withUsual(4), expected: { leaderId: 'a', term: 3 } };
    const says = (leader: { id: string | undefined; term: number }) => onBeat(expected, { ...beat, leader }, PULSE_LIMITS).degraded;
    expect(says({ id: 'a', term: 3 })).toBeNull();
    expect(says({ id: 'b', term: 4 })).toBe('leadership went from m1 (term 3) to m2 (term 4)');
    expect(says({ id: 'a', term: 5 })).toBe('leadership went from m1 (term 3) to m1 (term 5)');
    expect(says({ id: undefined, term: 3 })).toBe('m2 knows no leader');
    expect(onBeat(withUsual(4), { ...beat, leader: { id: 'b', term: 9 } }, PULSE_LIMITS).degraded).toBeNull();
  });

  test('stays what it was first', () => {
    const degraded = after(withUsual(4), beats('b', [null, null, null, null, null, null, null]));
    expect(after(degraded, beats('b', usual(4), 9000)).degraded).toBe(degraded.degraded);
  });
});

describe('a member that is away', () => {
  const away = withAway(withUsual(4), 'b');

  test('may be silent, and the others may not', () => {
    expect(after(away, beats('b', [null, null, null, null, null, null, null])).degraded).toBeNull();
    expect(after(away, beats('a', [null, null, null, null, null, null, null])).degraded).not.toBeNull();
    expect(isCalm(away)).toBe(true);
  });

  test('is calm again when it answered since it came back', () => {
    const back = withAway(away, null);
    expect(isCalm(back)).toBe(false);
    expect(isCalm(after(back, beats('b', [4])))).toBe(true);
    expect(isCalm(after(back, beats('b', [400])))).toBe(false);
  });
});
