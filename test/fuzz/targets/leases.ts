/** What API servers answer about Leases. */
import { deepEqual, ok } from 'node:assert/strict';
import { leaderOf } from '../../../src/core/apiserver/leader.ts';
import { readLeaseObject, toElectionRecord, toLeaseSpec } from '../../../src/core/apiserver/lease.ts';
import type { Target } from '../target.ts';

const lease: Target = {
  name: 'lease',
  property: 'JSON of an API server is a Lease, which says who holds it and is written with times that the API takes, or none',
  seeds: [
    JSON.stringify({
      kind: 'Lease',
      metadata: { name: 'hale', resourceVersion: '7' },
      spec: {
        holderIdentity: 'cp1_x',
        leaseDurationSeconds: 15,
        acquireTime: '2026-11-21T19:00:00.123456Z',
        renewTime: '2026-11-21T19:00:10Z',
        leaseTransitions: 2,
      },
    }),
    '{"kind":"Lease","metadata":{"resourceVersion":"1"},"spec":{"renewTime":"2026-11-21T19:00:10.5+01:00"}}',
    '{"kind":"Status","message":"not found","code":404}',
  ].map((text) => Buffer.from(text)),
  text: true,
  run(input) {
    const found = readLeaseObject(parsed(input));
    if (found === undefined) return;
    const record = toElectionRecord(found);
    for (const value of Object.values(record)) ok(typeof value === 'string' || Number.isFinite(value), 'neither text nor number');
    deepEqual(
      toElectionRecord({ spec: toLeaseSpec(toElectionRecord({ spec: toLeaseSpec(record) })) }),
      toElectionRecord({ spec: toLeaseSpec(record) }),
    );
    const { renewedMsAgo, holder } = leaderOf('kube-scheduler', record, 0);
    ok(renewedMsAgo === null || Number.isFinite(renewedMsAgo), 'renewed at no time');
    ok(holder !== '' && !/\p{Cc}/u.test(holder ?? ''), 'a holder that cannot be shown');
  },
};

function parsed(input: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(input).toString());
  } catch {
    return undefined;
  }
}

export const leaseTargets: readonly Target[] = [lease];
