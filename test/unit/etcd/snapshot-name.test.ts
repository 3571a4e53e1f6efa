import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatSnapshotName, parseSnapshotName } from '../../../src/core/etcd/snapshot/name.ts';
import { parseSnapshotPlace } from '../../../src/core/etcd/snapshot/place.ts';

const cluster = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const named = fc.record({
  cluster,
  takenAtMs: fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) / 1000 }).map((seconds) => seconds * 1000),
  revision: fc.maxSafeNat(),
  isEncrypted: fc.boolean(),
});

test('a name tells cluster, time, revision and encryption', () => {
  const facts = { cluster: 'prod', takenAtMs: Date.UTC(2026, 10, 22, 8, 15, 0), revision: 1234, isEncrypted: true };
  expect(formatSnapshotName(facts)).toBe('hale-prod-20261122T081500Z-rev1234.db.age');
  expect(parseSnapshotName('hale-prod-20261122T081500Z-rev1234.db.age')).toEqual(facts);
});

test('what was named is read back, and sorts by time within a cluster', () => {
  fc.assert(
    fc.property(named, named, (a, b) => {
      expect(parseSnapshotName(formatSnapshotName(a))).toEqual(a);
      if (a.takenAtMs === b.takenAtMs) return;
      const inSame = (one: typeof a) => formatSnapshotName({ ...one, cluster: 'c' });
      expect(inSame(a) < inSame(b)).toBe(a.takenAtMs < b.takenAtMs);
    }),
  );
});

test('what hale did not name is nobody of its own', () => {
  const others = [
    'hale-prod-20261122T081500Z-rev1234.db.1-2-0123abcd.part',
    'hale-prod-20261122T081500Z-rev1234.db.age.bak',
    'hale-prod-20261122T081500Z-rev01.db',
    'hale-prod-20261122T081500Z-rev99999999999999999.db',
    'hale-prod-20261122T081500Z-rev9007199254740993.db',
    'hale-prod-20260230T081500Z-rev1.db',
    'hale-prod-20261122T246000Z-rev1.db',
    'hale-Prod-20261122T081500Z-rev1.db',
    'hale--20261122T081500Z-rev1.db',
    '../hale-prod-20261122T081500Z-rev1.db',
    'a/hale-prod-20261122T081500Z-rev1.db',
    'hale-prod-20261122T081500Z-rev1.db\n',
    'snapshot.db',
    '',
  ];
  expect(others.filter((name) => parseSnapshotName(name) !== undefined)).toEqual([]);
  fc.assert(fc.property(fc.string(), (name) => parseSnapshotName(name) === undefined));
});

test('places', () => {
  expect(parseSnapshotPlace('-')).toEqual({ kind: 'stdout' });
  expect(parseSnapshotPlace('/var/lib/x')).toEqual({ kind: 'path', path: '/var/lib/x' });
  expect(parseSnapshotPlace('s3://my-bucket')).toEqual({ kind: 's3', bucket: 'my-bucket', key: '' });
  expect(parseSnapshotPlace('s3://my-bucket/a/b/')).toEqual({ kind: 's3', bucket: 'my-bucket', key: 'a/b/' });
  expect(parseSnapshotPlace('s3://')).toBeUndefined();
  expect(parseSnapshotPlace('s3:///key')).toBeUndefined();
  expect(parseSnapshotPlace('')).toBeUndefined();
});
