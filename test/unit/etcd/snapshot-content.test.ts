import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupName } from '../../../src/core/etcd/kubernetes/key-tally.ts';
import { KeyGroups, kubernetesRoots } from '../../../src/core/etcd/kubernetes/key-groups.ts';
import { KeyIndex } from '../../../src/core/etcd/snapshot/key-index.ts';
import { type Change, etcdDatabase, revisionKey } from '../../support/etcd-store.ts';
import { inspected } from '../../support/inspected.ts';

const bytes = (text: string) => Buffer.from(text);
const whats = (file: Uint8Array) => inspected(file).problems.map(({ what }) => what);

const key = fc.constantFrom(
  ...Array.from({ length: 12 }, (_, i) => `/registry/pods/ns/pod-${i}`),
  '/registry/minions/cp1',
  'compact_rev_key',
);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ put: key, value: fc.string({ maxLength: 400 }) }) },
  { weight: 1, arbitrary: fc.record({ delete: key }) },
);

/** What a store of these changes holds, computed plainly. */
function living(changes: readonly Change[]): Map<string, number> {
  const live = new Map<string, number>();
  for (const one of changes) {
    if ('delete' in one) live.delete(one.delete);
    else live.set(one.put, Buffer.byteLength(one.put) + Buffer.byteLength(one.value));
  }
  return live;
}

test('keys that live and what they take are those of the changes, however much of the history was compacted', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 80 }), fc.nat(100), (changes, compact) => {
      const last = inspected(etcdDatabase({ changes })).content?.revision as number;
      const compactTo = Math.min(compact, last);
      const { problems, content } = inspected(etcdDatabase({ changes, compactTo, pageSizeBytes: 512 }));
      const live = living(changes);
      const sum = (sizes: Iterable<number>) => [...sizes].reduce((total, size) => total + size, 0);
      expect(problems).toEqual([]);
      expect(content).toMatchObject({ revision: last, compactRevision: compactTo, keys: live.size, keyBytes: sum(live.values()) });
      const ofPods = [...live].filter(([name]) => name.startsWith('/registry/pods/'));
      const pods = content?.groups.find(({ resource }) => resource === 'pods') ?? { keys: 0, bytes: 0 };
      expect(pods).toMatchObject({ keys: ofPods.length, bytes: sum(ofPods.map(([, size]) => size)) });
    }),
  );
});

test('a change that is missing from the history of its key is found, wherever it was after the compaction', () => {
  const changes = Array.from({ length: 10 }, (_, i): Change => ({ put: '/a/b/c', value: `${i}` }));
  for (let missing = 5; missing <= 11; missing++) {
    const file = etcdDatabase({ changes, compactTo: 3 });
    // Its revision is 2 later than its place among the changes; another key takes it.
    const at = file.indexOf(bytes('/a/b/c'), file.indexOf(revisionKey(missing)));
    file.write('/a/b/X', at);
    expect({ missing, found: whats(file).includes('history_gap') }).toEqual({ missing, found: true });
  }
});

describe('what cannot be in a record is found', () => {
  const changes: Change[] = [
    { put: '/registry/pods/ns/a', value: 'one' },
    { put: '/registry/pods/ns/a', value: 'two' },
    { put: '/registry/pods/ns/b', value: 'three' },
    { delete: '/registry/pods/ns/b' },
  ];
  const file = etcdDatabase({ changes });
  /** In the record of `revision`, `offset` bytes after its key. */
  const patched = (revision: number, offset: number, byte: number) => {
    const copy = Buffer.from(file);
    copy[copy.indexOf(revisionKey(revision)) + 17 + offset] = byte;
    return copy;
  };
  const CREATE = 2 + '/registry/pods/ns/a'.length + 1;
  test.each([
    ['revision_malformed', patched(2, -9, 0x2e)],
    ['revision_malformed', patched(2, -17, 0xff)],
    ['record_malformed', patched(2, 0, 0x0b)],
    ['record_malformed', patched(2, 1, 0x7f)],
    ['record_revision', patched(2, CREATE + 2, 9)],
    ['record_version', patched(3, CREATE + 4, 1)],
    ['record_version', patched(3, CREATE + 4, 0x7f)],
    ['revision_malformed', patched(5, 0, 0x75)],
  ] as [string, Buffer][])('%s', (what, copy) => {
    expect(whats(file)).toEqual([]);
    expect(whats(copy)).toContain(what);
  });
});

describe('the small buckets', () => {
  const base = { changes: [{ put: '/a/b', value: 'c' }] as Change[] };
  const lease = Buffer.from('000000000000002a', 'hex');
  const alarm = Buffer.from([0x08, ...Buffer.from('cdd2d98bd5c0f9ce8e01', 'hex'), 0x10, 0x01]);

  test('members, alarms, leases and users are read', () => {
    const user = Buffer.from('0a04726f6f74', 'hex');
    const extra = {
      alarm: [[alarm, Buffer.alloc(0)]],
      lease: [[lease, Buffer.from('082a100a', 'hex')]],
      auth: [[bytes('authEnabled'), Buffer.of(1)]],
      authUsers: [[bytes('root'), user]],
    } as const;
    const { problems, content } = inspected(etcdDatabase({ ...base, extra }));
    expect(problems).toEqual([]);
    expect(content).toMatchObject({ leases: 1, users: 1, isAuthEnabled: true, alarms: [{ alarm: 'NOSPACE' }] });
    expect(content?.members).toEqual([
      { id: '8e9e05c52164694d', name: 'm1', peerUrls: ['https://10.0.0.1:2380'], clientUrls: [], isLearner: false },
    ]);
  });

  test.each([
    ['member_malformed', { members: [[bytes('8e9e05c52164694c'), bytes('{"id":10276657743932975437,"peerURLs":[]}')]] }],
    ['member_malformed', { members: [[bytes('8e9e05c52164694d'), bytes('{"id":10276657743932975437,"peerURLs":')]] }],
    ['lease_malformed', { lease: [[lease, Buffer.from('082b100a', 'hex')]] }],
    ['alarm_malformed', { alarm: [[Buffer.from('1001ff', 'hex'), Buffer.alloc(0)]] }],
    ['user_malformed', { authUsers: [[bytes('admin'), Buffer.from('0a04726f6f74', 'hex')]] }],
    ['meta_malformed', { meta: [[bytes('term'), bytes('1')]] }],
    ['meta_malformed', { meta: [[bytes('finishedCompactRev'), bytes('1')]] }],
    ['meta_malformed', { meta: [[bytes('storageVersion'), bytes('new')]] }],
  ] as [string, Record<string, [Buffer, Buffer][]>][])('%s', (what, extra) => {
    expect(whats(etcdDatabase({ ...base, extra }))).toEqual([what]);
  });

  test('a bucket whose name is damaged is missing; one more is that of a later etcd', () => {
    const file = etcdDatabase(base);
    file.write('cluzter', file.indexOf('cluster'));
    expect(whats(file)).toEqual(['bucket_unknown']);
    expect(whats(etcdDatabase({ ...base, extra: { later: [] } }))).toEqual([]);
  });
});

test('a restore that raised the revision left one without a change', () => {
  const { problems, content } = inspected(
    etcdDatabase({ changes: [{ put: '/a/b', value: 'c' }], extra: { key: [[revisionKey(1000), Buffer.alloc(0)]] } }),
  );
  expect(problems).toEqual([]);
  expect(content).toMatchObject({ revision: 1000, keys: 0 });
});

test('keys are told apart, and found again, by the hundred thousand', () => {
  const index = new KeyIndex({ a: 7, b: 9 });
  const name = (i: number) => bytes(`/registry/pods/ns-${i % 7}/pod-${i}`);
  for (let i = 0; i < 100_000; i++) {
    const one = name(i);
    expect(index.entryOf(one, 0, one.length)).toBe(i);
    index.set(i, { createRevision: i, version: 2 ** 40, liveBytes: i });
  }
  for (const i of [0, 1, 16_383, 16_384, 99_999]) {
    const one = Buffer.concat([bytes('xx'), name(i), bytes('y')]);
    expect(index.entryOf(one, 2, one.length - 3)).toBe(i);
    expect(index.get(i)).toMatchObject({ createRevision: i, version: 2 ** 40, liveBytes: i });
  }
});

describe('keys by resource', () => {
  const nameOf = (path: string, prefix?: string) => {
    const groups = new KeyGroups(prefix);
    const id = groups.groupOf(bytes(`..${path}..`), 2, path.length);
    return groupName(groups.groups[id] as KeyGroups['groups'][number], kubernetesRoots(groups.groups, prefix));
  };
  test.each([
    ['/registry/pods/default/web', 'pods'],
    ['/registry/minions/cp1', 'nodes'],
    ['/registry/services/specs/default/kubernetes', 'services'],
    ['/registry/services/endpoints/default/kubernetes', 'endpoints'],
    ['/registry/apiextensions.k8s.io/customresourcedefinitions/a.b', 'customresourcedefinitions.apiextensions.k8s.io'],
    ['/registry/cert-manager.io/certificates/ns/web', 'certificates.cert-manager.io'],
    ['/registry/health', '/registry/'],
    ['/hale/election/prod/api', '/hale/election'],
    ['/flat', '(no folder)'],
    ['compact_rev_key', '(no folder)'],
    ['/', '(no folder)'],
    ['', '(no folder)'],
  ])('%s', (path, name) => {
    expect(nameOf(path)).toBe(name);
  });

  test('a root of several folders is given, one of another name is recognised', () => {
    expect(nameOf('/k8s/prod/pods/default/web', '/k8s/prod')).toBe('pods');
    const groups = new KeyGroups();
    for (const path of ['/kubernetes.io/pods/ns/a', '/kubernetes.io/namespaces/ns', '/other/thing/a'])
      groups.groupOf(bytes(path), 0, path.length);
    expect(kubernetesRoots(groups.groups)).toEqual(['/kubernetes.io']);
  });

  test('folders without end share a group', () => {
    const groups = new KeyGroups();
    for (let i = 0; i < 10_000; i++) groups.groupOf(bytes(`/r/${i}/x`), 0, `/r/${i}/x`.length);
    expect(groups.groups.length).toBeLessThan(5000);
  });
});
