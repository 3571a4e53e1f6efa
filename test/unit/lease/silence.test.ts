import { describe, expect, test } from 'vitest';
import { createMember, leaseMember } from '../../../src/core/lease/member.ts';
import { silentMembers } from '../../../src/core/lease/silence.ts';
import type { Holding, LeaseState } from '../../../src/core/lease/state.ts';
import { timingProfiles } from '../../../src/core/lease/timing.ts';

const timing = timingProfiles.default;
const RENEW = timing.renewMs;
const GOOD = { kind: 'fitness', fitness: 'good', readyBackends: 7, mac: 1 } as const;

/** Member 0 holds; the others were last heard when `heard` says. */
function holder(heard: readonly number[]): LeaseState {
  const members = heard.length + 1;
  const state = createMember({ self: 0, members, timing, boot: 1, now: 0 });
  const role = { name: 'holder', term: 1 } as Holding;
  return { ...state, role, peers: [0, ...heard].map((heardAt) => ({ heardAt, heartbeat: undefined })) };
}

describe('who has fallen silent, for the holder', () => {
  test('a member that misses renewals while the others answer', () => {
    expect(silentMembers(holder([0, 3 * RENEW]), 3 * RENEW)).toEqual([1]);
    expect(silentMembers(holder([RENEW, 3 * RENEW]), 3 * RENEW)).toEqual([]);
  });

  test('nobody, when none of a majority answers: it is this host that is cut off', () => {
    expect(silentMembers(holder([0, 0]), 3 * RENEW)).toEqual([]);
  });

  test('nobody, when the last answers before the cut came at different times', () => {
    // The one has been silent for long enough, the other almost.
    for (const later of [1, 10, 0.9 * RENEW]) expect(silentMembers(holder([0, later]), 2.5 * RENEW + 1)).toEqual([]);
    expect(silentMembers(holder([0, 0, 1, 2]), 2.5 * RENEW + 1)).toEqual([]);
  });

  test('of five members two, while two others answer', () => {
    expect(silentMembers(holder([0, 0, 4 * RENEW, 4 * RENEW]), 4 * RENEW)).toEqual([1, 2]);
  });
});

describe('where nobody stands', () => {
  /** Member 0 of as many as `heard`, which hold nothing. */
  function member(heard: readonly number[]): LeaseState {
    const state = createMember({ self: 0, members: heard.length + 1, timing, boot: 1, now: 0, stands: false });
    return { ...state, peers: [0, ...heard].map((heardAt) => ({ heardAt, heartbeat: undefined })) };
  }

  test('every member tells of the others what the holder does', () => {
    expect(silentMembers(member([0, 3 * RENEW]), 3 * RENEW)).toEqual([1]);
    expect(silentMembers(member([0, 0]), 3 * RENEW)).toEqual([]);
  });

  test('a member speaks at every renewal time, and never asks for the lease', () => {
    let state = leaseMember.step(createMember({ self: 0, members: 3, timing, boot: 1, now: 0, stands: false }), GOOD, 0).state;
    const sent: { at: number; kind: string }[] = [];
    for (let now = leaseMember.wakeAt(state); now < 10 * timing.leaseMs; now = leaseMember.wakeAt(state)) {
      const step = leaseMember.step(state, { kind: 'tick' }, now);
      state = step.state;
      sent.push(
        ...step.outputs.flatMap((output) => (output.kind === 'send' && output.to === 1 ? [{ at: now, kind: output.message.kind }] : [])),
      );
    }
    expect(new Set(sent.map(({ kind }) => kind))).toEqual(new Set(['heartbeat']));
    expect(new Set(sent.slice(1).map(({ at }, i) => at - (sent[i]?.at ?? 0)))).toEqual(new Set([RENEW]));
  });
});
