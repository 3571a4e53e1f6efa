import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyAfter, rangeOf } from '../../../src/core/etcd/key-range.ts';
import { KeyTree } from '../../../src/core/etcd/kubernetes/key-tree.ts';
import { describeValue } from '../../../src/core/etcd/kubernetes/stored-value.ts';
import { bytesField, numberField, storedObject } from '../../support/protobuf.ts';

const PASSWORD = 'correct horse battery staple';
const map = (field: number, name: string, text: string) => bytesField(field, Buffer.concat([bytesField(1, name), bytesField(2, text)]));

const metadata = Buffer.concat([
  bytesField(1, 'web'),
  bytesField(3, 'shop'),
  bytesField(5, '0c5e8b57'),
  bytesField(6, ''),
  numberField(7, 3),
  bytesField(8, numberField(1, 1_700_000_000)),
  map(11, 'app', 'web'),
  map(12, 'kubectl.kubernetes.io/last-applied-configuration', PASSWORD),
  bytesField(
    13,
    Buffer.concat([bytesField(1, 'ReplicaSet'), bytesField(3, 'web-1'), bytesField(4, 'u'), bytesField(5, 'apps/v1'), numberField(6, 1)]),
  ),
  bytesField(14, 'example.org/hold'),
  bytesField(17, Buffer.concat([bytesField(1, 'kubectl'), bytesField(2, 'Update')])),
  bytesField(17, Buffer.concat([bytesField(1, 'kubectl'), bytesField(2, 'Apply')])),
]);

const key = '/registry/pods/shop/web';
const secretKey = '/registry/secrets/shop/web';

test('an object in protobuf is told by its type and its metadata', () => {
  expect(describeValue(key, storedObject({ kind: 'Pod', metadata, rest: [bytesField(2, 'spec')] }))).toEqual({
    isSecret: false,
    value: {
      form: 'protobuf',
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'web',
        namespace: 'shop',
        uid: '0c5e8b57',
        creationTimestamp: '2023-11-14T22:13:20.000Z',
        deletionTimestamp: undefined,
        labels: { app: 'web' },
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': PASSWORD },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1' }],
        finalizers: ['example.org/hold'],
        managers: ['kubectl'],
      },
    },
  });
});

describe('nothing of what a Secret holds is shown', () => {
  const json = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'web', annotations: { a: PASSWORD } }, data: { password: PASSWORD } };
  test.each([
    ['in protobuf', secretKey, storedObject({ kind: 'Secret', metadata, rest: [map(2, 'password', PASSWORD)] })],
    ['in protobuf, under another key', key, storedObject({ kind: 'Secret', metadata, rest: [map(2, 'password', PASSWORD)] })],
    ['in JSON', secretKey, Buffer.from(JSON.stringify(json))],
    ['in JSON, under another key', key, Buffer.from(JSON.stringify(json))],
    ['encrypted', secretKey, Buffer.from(`k8s:enc:identity:v1:key1:${PASSWORD}`)],
    ['as text', secretKey, Buffer.from(PASSWORD)],
    ['as JSON of another kind', secretKey, Buffer.from(JSON.stringify({ kind: 'Other', data: PASSWORD }))],
    ['as bytes', secretKey, Buffer.concat([Buffer.from(PASSWORD), Buffer.of(0xff)])],
    [
      'in protobuf that is cut',
      secretKey,
      storedObject({ kind: 'Secret', metadata, rest: [map(2, 'password', PASSWORD)] }).subarray(0, -3),
    ],
    ['below another root', '/k8s/prod/secrets/shop/web', Buffer.from(PASSWORD)],
  ])('%s', (_, path, value) => {
    const described = describeValue(path, value);
    const shown = JSON.stringify(described);
    expect(described.isSecret).toBe(true);
    expect(shown).not.toContain(PASSWORD);
    expect(shown).not.toContain(Buffer.from(PASSWORD).toString('hex').slice(0, 20));
  });
});

test('what is encrypted, JSON, text or neither is told', () => {
  const formOf = (value: string | Uint8Array) => describeValue(key, Buffer.from(value as string)).value;
  expect(formOf('k8s:enc:aescbc:v1:key-1:\u0000\u0001')).toEqual({ form: 'encrypted', provider: 'aescbc v1', keyName: 'key-1' });
  expect(formOf(Buffer.concat([Buffer.from('k8s:enc:kms:v2:'), Buffer.of(0x0a, 0xff)]))).toEqual({
    form: 'encrypted',
    provider: 'kms v2',
    keyName: '',
  });
  expect(formOf('{"kind":"Widget"}')).toEqual({ form: 'json', json: { kind: 'Widget' } });
  expect(formOf('{"kind":')).toEqual({ form: 'text', text: '{"kind":' });
  expect(formOf('1234')).toEqual({ form: 'text', text: '1234' });
  expect(formOf(Buffer.of(0xff, 0x00))).toEqual({ form: 'binary', hex: 'ff00' });
});

test('a range is all keys that begin so, and goes on after a key', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
      fc.uint8Array({ maxLength: 6 }),
      (prefix, other) => {
        const { from, to } = rangeOf(prefix);
        const isIn = Buffer.compare(other, from) >= 0 && (Buffer.compare(to, Buffer.of(0)) === 0 || Buffer.compare(other, to) < 0);
        const beginsSo = Buffer.compare(other.subarray(0, prefix.length), prefix) === 0 && other.length >= prefix.length;
        // The empty key is none in etcd.
        if (other.length > 0) expect(isIn).toBe(beginsSo);
        expect(Buffer.compare(keyAfter(other), other)).toBe(1);
      },
    ),
  );
});

describe('keys by folder', () => {
  test('folders are counted to a depth, in order, and what is not listed is summed', () => {
    const tree = new KeyTree({ base: '', depth: 2 });
    for (const [path, size] of [
      ['/r/pods/ns/a', 10],
      ['/r/pods/ns/b', 5],
      ['/r/leases/ns/a', 1],
      ['/r/x/a', 2],
      ['plain', 7],
    ] as const)
      tree.add(path, size);
    expect(tree.sorted({ by: 'bytes', top: 2 })).toEqual({
      name: '',
      keys: 5,
      bytes: 25,
      more: { folders: 0, keys: 0, bytes: 0 },
      folders: [
        {
          name: 'r',
          keys: 4,
          bytes: 18,
          more: { folders: 1, keys: 1, bytes: 1 },
          folders: [
            { name: 'pods', keys: 2, bytes: 15, folders: [], more: { folders: 0, keys: 0, bytes: 0 } },
            { name: 'x', keys: 1, bytes: 2, folders: [], more: { folders: 0, keys: 0, bytes: 0 } },
          ],
        },
      ],
    });
  });

  test('below a base, whose own slash is not counted', () => {
    const tree = new KeyTree({ base: '/r/', depth: 1 });
    tree.add('/r/pods/ns/a', 1);
    expect(tree.sorted({ by: 'keys', top: 9 }).folders.map(({ name, keys }) => [name, keys])).toEqual([['pods', 1]]);
  });
});
