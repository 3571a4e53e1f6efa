import { expect, test } from 'vitest';
import { corruptRefusal } from '../../../src/core/etcd/upkeep/disarm.ts';
import { isAtQuota, noSpaceRefusal, spaceOf, tooFullText } from '../../../src/core/etcd/upkeep/space.ts';
import { clusterView } from './views.ts';

const MIB = 1024 ** 2;
const NOSPACE = 'memberID:2 alarm:NOSPACE ';
const space = { id: '1', name: 'm1', sizeBytes: 0, inUseBytes: 0, quotaBytes: 100 * MIB, hasAlarm: false };

test('the quota comes from the status, or from where the status does not tell it', () => {
  const view = clusterView([
    { sizeBytes: 10, inUseBytes: 5, quotaBytes: 20, errors: [NOSPACE] },
    { sizeBytes: 30, inUseBytes: 5, errors: [NOSPACE] },
    { isDown: true },
  ]);
  expect(
    spaceOf(
      view,
      new Map([
        ['1', 99],
        ['2', 40],
      ]),
    ),
  ).toEqual([
    { id: '1', name: 'm1', sizeBytes: 10, inUseBytes: 5, quotaBytes: 20, hasAlarm: false },
    { id: '2', name: 'm2', sizeBytes: 30, inUseBytes: 5, quotaBytes: 40, hasAlarm: true },
  ]);
  expect(spaceOf(view, new Map())[1]?.quotaBytes).toBeNull();
});

test('at its quota is a database with no room for a large write, or of a small one for a twentieth', () => {
  expect(isAtQuota({ ...space, sizeBytes: 98.5 * MIB })).toBe(true);
  expect(isAtQuota({ ...space, sizeBytes: 98.4 * MIB })).toBe(false);
  expect(isAtQuota({ ...space, quotaBytes: 10 * MIB, sizeBytes: 9.5 * MIB })).toBe(true);
  expect(isAtQuota({ ...space, quotaBytes: 10 * MIB, sizeBytes: 9.4 * MIB })).toBe(false);
  expect(isAtQuota({ ...space, quotaBytes: null })).toBeNull();
});

test('NOSPACE is not disarmed while a member is at its quota, gaps in its file included, or while nobody tells the quota', () => {
  expect(noSpaceRefusal([{ ...space, sizeBytes: 101 * MIB, inUseBytes: MIB, hasAlarm: true }])).toMatchObject({
    code: 'etcd_still_full',
    message: 'the database of m1 (101.0 MiB of 100.0 MiB) is still at its quota, so the next write would raise the alarm again',
  });
  expect(noSpaceRefusal([{ ...space, sizeBytes: MIB, hasAlarm: true }])).toBeNull();
  expect(noSpaceRefusal([{ ...space, quotaBytes: null, hasAlarm: true }])?.message).toMatch('nobody tells the quota of m1 (0 B)');
  expect(noSpaceRefusal([{ ...space, quotaBytes: null }])).toBeNull();
});

test('too full is what stays above the share wanted without history and gaps', () => {
  expect(tooFullText({ ...space, sizeBytes: 80 * MIB }, 0.8)).toBeNull();
  expect(tooFullText({ ...space, sizeBytes: 81 * MIB }, 0.8)).toMatch('the database of m1 is still 81.0 MiB of its quota of 100.0 MiB');
  expect(tooFullText({ ...space, sizeBytes: 81 * MIB, quotaBytes: null }, 0.8)).toBeNull();
});

test('CORRUPT is not disarmed while hashes differ, or are not known', () => {
  const view = clusterView([{}, {}, {}]);
  const hashes = ['1', '2', '3'].map((memberId) => ({ memberId, hash: 0xbeef, compactRevision: 5 }));
  const compared = { revision: 7, hashes, missing: new Map<string, string>() };
  expect(corruptRefusal(view, compared)).toBeNull();
  expect(corruptRefusal(view, { ...compared, hashes: hashes.with(2, { memberId: '3', hash: 1, compactRevision: 5 }) })).toMatchObject({
    code: 'etcd_hashes_differ',
    message: expect.stringMatching(/^m3: its keys are not those of m1 and m2/),
  });
  const unknown = { ...compared, hashes: hashes.slice(0, 2), missing: new Map([['3', 'gave no answer']]) };
  expect(corruptRefusal(view, unknown)?.message).toBe('m3: gave no answer');
});
