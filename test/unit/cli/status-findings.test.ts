import { describe, expect, test } from 'vitest';
import type { Status } from '../../../src/cli/render-status.ts';
import { statusFindings } from '../../../src/cli/status-findings.ts';

type Known = Omit<Status, 'findings'>;

const NAMES = ['cp1', 'cp2'];

const member = {
  memberId: 'cafe',
  leaderId: 'cafe',
  raftTerm: 2,
  raftIndex: 9,
  raftAppliedIndex: 9,
  revision: 4,
  dbSizeBytes: 1,
  dbSizeInUseBytes: 1,
  isLearner: false,
  version: '3.6.1',
  errors: [],
  quotaBytes: undefined,
};

const well: Known = {
  cluster: 'prod',
  host: 'cp1',
  role: 'follower',
  term: 4,
  draining: false,
  profile: 'default',
  leaseMs: 300,
  holder: 'cp2',
  leaseRemainingMs: 250,
  whyNotHolding: 'cp2 holds the lease',
  endpoint: { addresses: ['10.0.0.100'], port: 6443, interface: 'eth0', enforced: true, weaker: null, conflict: null },
  silentMs: 0,
  members: NAMES.map((name) => ({
    name,
    address: '',
    heardMsAgo: 5,
    alive: true,
    fitness: 'good' as const,
    hears: NAMES,
    readyBackends: NAMES,
  })),
  backends: NAMES.map((name) => ({ name, address: '', state: 'ready' as const, reason: '', sinceMs: 1 })),
  record: { name: 'Lease kube-system/hale', owner: 'cp2', owned: false, changedMsAgo: 900, problem: null },
  vrrp: null,
  routes: null,
  datapath: { datapath: 'dsr', because: 'auto' },
  connections: 3,
  steeredTo: null,
  realtime: true,
  guarded: true,
  etcd: [{ endpoint: 'https://10.0.0.11:2379', asked: true, member, isLeader: true, lag: 0 }],
  controlPlane: {
    withoutCredentials: null,
    apiservers: NAMES.map((name) => ({ name, ready: true, failing: [], problem: null })),
    leaders: [{ component: 'kube-scheduler', holder: 'cp1_x', since: null, renewedMsAgo: 900, stale: false, transitions: 1 }],
    leadersProblem: null,
  },
  certificates: [],
  etcdAlarms: [],
  snapshot: null,
};

const [apiserver1, apiserver2] = well.controlPlane.apiservers as [
  Status['controlPlane']['apiservers'][0],
  Status['controlPlane']['apiservers'][0],
];
const apiservers = (second: Partial<typeof apiserver2>): Partial<Known> => ({
  controlPlane: { ...well.controlPlane, apiservers: [apiserver1, { ...apiserver2, ...second }] },
});
const leaders = (change: object): Partial<Known> => ({
  controlPlane: { ...well.controlPlane, leaders: well.controlPlane.leaders.map((leader) => ({ ...leader, ...change })) },
});
const etcd = (change: object): Partial<Known> => ({ etcd: well.etcd.map((row) => ({ ...row, ...change })) });

describe('what hale status finds', () => {
  test('nothing, where all is well', () => {
    expect(statusFindings(well)).toEqual([]);
  });

  test.each<[string, Partial<Known>, string]>([
    ['no holder', { holder: null, whyNotHolding: 'no majority' }, 'nobody holds the address, as far as this agent knows: no majority'],
    [
      'a conflict',
      { endpoint: { ...well.endpoint, conflict: 'is answered for by 02:00:00:00:00:09' } },
      'the address: is answered for by 02:00:00:00:00:09',
    ],
    [
      'a record out of reach',
      { record: { name: 'Lease kube-system/hale', owner: null, owned: false, changedMsAgo: 9, problem: 'HTTP 403' } },
      'Lease kube-system/hale cannot be read or written: HTTP 403',
    ],
    ['a silent member', { members: well.members.map((one) => ({ ...one, alive: one.name !== 'cp2' })) }, 'the agent of cp2 is not heard'],
    [
      'an API server whose etcd is away',
      apiservers({
        ready: false,
        failing: [
          { check: 'etcd', reason: null },
          { check: 'ping', reason: 'x' },
        ],
      }),
      'API server cp2 is not ready: etcd, ping',
    ],
    ['one that refuses', apiservers({ ready: false, problem: 'HTTP 403' }), 'API server cp2 is not ready: HTTP 403'],
    [
      'one that is away',
      apiservers({ ready: null, problem: 'connect ECONNREFUSED' }),
      'API server cp2 gives no answer: connect ECONNREFUSED',
    ],
    [
      'one that this host alone cannot reach',
      { backends: well.backends.map((one) => ({ ...one, state: one.name === 'cp2' ? 'dead' : 'ready', reason: 'silent' })) },
      'API server cp2 gets no new connections from this host, for which it is dead: silent',
    ],
    ['no leader', leaders({ holder: null }), 'nobody leads kube-scheduler'],
    ['a leader that is gone', leaders({ stale: true }), 'cp1_x leads kube-scheduler, but has not said so for too long'],
    [
      'an etcd that is away',
      etcd({ member: undefined, problem: 'deadline exceeded' }),
      'etcd at https://10.0.0.11:2379 gives no answer: deadline exceeded',
    ],
    [
      'an alarm, which is told once',
      { ...etcd({ member: { ...member, errors: ['memberID:51966 alarm:NOSPACE '] } }), etcdAlarms: ['is full'] },
      'etcd is full',
    ],
    [
      'what etcd says besides alarms',
      etcd({ member: { ...member, errors: ['etcdserver: no leader '] } }),
      'etcd at https://10.0.0.11:2379 says: etcdserver: no leader',
    ],
    [
      'etcd without a leader',
      etcd({ member: { ...member, leaderId: undefined } }),
      'etcd at https://10.0.0.11:2379 knows no leader: most of its members are not there',
    ],
    ['a snapshot that is too old', { snapshot: 'the newest is 9 h old' }, 'the newest is 9 h old'],
    ['a certificate', { certificates: ['apiserver: expired on 2026-01-01'] }, 'certificate apiserver: expired on 2026-01-01'],
  ])('%s', (_, change, wanted) => {
    expect(statusFindings({ ...well, ...change })).toEqual([wanted]);
  });

  test('an API server is named once, though probes fail too', () => {
    const backends = well.backends.map((one) => ({ ...one, state: 'dead' as const, reason: 'refused' }));
    const found = statusFindings({ ...well, ...apiservers({ ready: null, problem: 'refused' }), backends });
    expect(found.filter((text) => text.startsWith('API server cp2'))).toHaveLength(1);
  });

  test('what takes credentials that are not there is not known, and no finding', () => {
    const unknown = { ...well.controlPlane, leaders: [], withoutCredentials: 'admin.conf cannot be read' };
    expect(statusFindings({ ...well, ...etcd({ asked: false, member: undefined, problem: 'ENOENT' }), controlPlane: unknown })).toEqual([]);
  });
});
