import { expect, test } from 'vitest';
import { leaderOf } from '../../../src/core/apiserver/leader.ts';

const now = Date.parse('2026-11-21T19:00:10.000Z');
const record = {
  holderIdentity: 'cp1_1',
  leaseDurationSeconds: 15,
  acquireTime: '2026-11-21T18:00:00.000000Z',
  renewTime: '2026-11-21T19:00:08.500000Z',
  leaseTransitions: 3,
};

test('a holder that renews leads, one that has not for longer than its record lasts is stale, also one far ahead of this clock', () => {
  const leader = { component: 'kube-scheduler', holder: 'cp1_1', since: record.acquireTime, transitions: 3 };
  expect(leaderOf('kube-scheduler', record, now)).toEqual({ ...leader, renewedMsAgo: 1500, stale: false });
  const at = (renewTime: string): boolean => leaderOf('kube-scheduler', { ...record, renewTime }, now).stale;
  expect(['2026-11-21T18:59:55.100Z', '2026-11-21T18:59:54.900Z', '2026-11-21T19:00:26.000Z', ''].map(at)).toEqual([
    false,
    true,
    true,
    true,
  ]);
});

test('nobody leads without a record, or when the last holder let go', () => {
  const nobody = { component: 'kube-scheduler', holder: null, since: null, renewedMsAgo: null, stale: false };
  expect(leaderOf('kube-scheduler', undefined, now)).toEqual({ ...nobody, transitions: 0 });
  expect(leaderOf('kube-scheduler', { ...record, holderIdentity: '' }, now)).toEqual({ ...nobody, transitions: 3 });
});
