import { describe, expect, test } from 'vitest';
import { createMember } from '../../../src/core/lease/member.ts';
import { silentMembers } from '../../../src/core/lease/silence.ts';
import type { Holding, LeaseState } from '../../../src/core/lease/state.ts';
import { timingProfiles } from '../../../src/core/lease/timing.ts';

const timing = timingProfiles.default;
const RENEW = timing.renewMs;

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
