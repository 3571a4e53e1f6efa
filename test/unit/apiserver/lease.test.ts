import { expect, test } from 'vitest';
import { readLeaseObject, toElectionRecord, toLeaseSpec } from '../../../src/core/apiserver/lease.ts';

test('what a Lease does not say is read as client-go reads it', () => {
  const empty = { holderIdentity: '', leaseDurationSeconds: 0, acquireTime: '', renewTime: '', leaseTransitions: 0 };
  expect(toElectionRecord({ spec: {} })).toEqual(empty);
  expect(toElectionRecord({ spec: { holderIdentity: null, leaseTransitions: 'x' } })).toEqual(empty);
});

test('times are written with the six digits that the API insists on, and null for none', () => {
  const times = (time: string): unknown =>
    toLeaseSpec({ holderIdentity: 'a', leaseDurationSeconds: 15, acquireTime: '', renewTime: time, leaseTransitions: 0 })['renewTime'];
  expect(times('2026-11-21T19:00:00.123Z')).toBe('2026-11-21T19:00:00.123000Z');
  expect(times('2026-11-21T19:00:00Z')).toBe('2026-11-21T19:00:00.000000Z');
  expect(times('2026-11-21T19:00:00.123456789+01:00')).toBe('2026-11-21T19:00:00.123456+01:00');
  expect(times('')).toBe(null);
});

test('what is no Lease is not taken for one', () => {
  const lease = { kind: 'Lease', metadata: { name: 'x', resourceVersion: '7', labels: { a: 'b' } }, other: 1 };
  expect(readLeaseObject(lease)).toEqual({ ...lease, spec: {} });
  for (const body of ['ok', null, [], { kind: 'Lease' }, { ...lease, kind: 'Pod' }, { ...lease, metadata: { resourceVersion: 7 } }])
    expect(readLeaseObject(body)).toBeUndefined();
});
