/** Files and values of etcd: snapshots that were on a disk, and what anybody may have put under a key. */
import { ok } from 'node:assert/strict';
import { describeValue } from '../../../src/core/etcd/kubernetes/stored-value.ts';
import { problemText } from '../../../src/core/etcd/snapshot/wording.ts';
import { sealMetas } from '../../support/bbolt-file.ts';
import { type Change, etcdDatabase, type StoreOptions } from '../../support/etcd-store.ts';
import { inspected } from '../../support/inspected.ts';
import { bytesField, numberField, storedObject } from '../../support/protobuf.ts';
import { lineText } from '../refusal.ts';
import type { Target } from '../target.ts';

const PAGE = 512;
const changes: Change[] = Array.from(
  { length: 12 },
  (_, i): Change => (i === 9 ? { delete: '/a/b/1' } : { put: `/a/b/${i % 4}`, value: 'x'.repeat(i * 9) }),
);
const file = (options: Omit<StoreOptions, 'changes'>) => etcdDatabase({ changes, pageSizeBytes: PAGE, ...options });
const longest = 16 * PAGE;

const snapshot: Target = {
  name: 'snapshot',
  property:
    'a file of any bytes is read to its end and never beyond; its problems are lines of text, and what is counted of one without problems cannot be less than nothing',
  seeds: [file({}), file({ freelist: true, freePages: 2 }), file({ compactTo: 8 }), Buffer.alloc(0)],
  maxLength: longest,
  quickExecutions: 300,
  repair: (input) => sealMetas(Buffer.from(input)),
  run(input) {
    const { problems, count, content, structure } = inspected(input);
    for (const problem of problems) lineText(problemText(problem));
    ok(count >= problems.length, 'fewer problems than are told');
    if (count > 0 || content === undefined) return;
    ok(structure !== undefined && structure.pagesInUse <= structure.meta.pageCount, 'more pages than there are');
    ok(content.keys >= 0 && content.keys <= content.revisions && content.keyBytes <= input.length, 'more keys than there is room for');
    for (const group of content.groups) ok(group.keys >= 0 && group.bytes >= 0 && group.keys <= group.revisions, 'a group that cannot be');
  },
};

const PASSWORD = 'not-to-be-shown';
const metadata = Buffer.concat([
  bytesField(1, 'web'),
  bytesField(8, numberField(1, 1_700_000_000)),
  bytesField(11, Buffer.concat([bytesField(1, 'a'), bytesField(2, 'b')])),
  bytesField(13, bytesField(1, 'Pod')),
  bytesField(17, bytesField(1, 'kubectl')),
]);

const storedValue: Target = {
  name: 'stored-value',
  property:
    'a value of any bytes is described in what JSON can hold; under the key of a Secret nothing of its data is in it, whatever it is',
  seeds: [
    storedObject({ kind: 'Secret', metadata, rest: [bytesField(2, PASSWORD)] }),
    Buffer.from(JSON.stringify({ kind: 'Secret', metadata: { name: 'a', annotations: { b: PASSWORD } }, data: PASSWORD })),
    Buffer.from(`k8s:enc:aescbc:v1:key1:${PASSWORD}`),
    Buffer.from(PASSWORD),
  ],
  maxLength: 400,
  run(input) {
    for (const key of ['/registry/pods/a/b', '/registry/secrets/a/b']) {
      const described = describeValue(key, input);
      const text = JSON.stringify(described);
      ok(JSON.parse(text) !== null, 'no JSON');
      const isOfSecret = key.includes('secrets');
      ok(described.isSecret || !isOfSecret, 'a Secret that is none');
      // Fields that are shown may be made of anything: only a value whose data stands where a seed has it is judged.
      const data = Buffer.from(input).indexOf(bytesField(2, PASSWORD));
      const isWhole = described.value.form === 'protobuf' && Buffer.from(input).equals(SECRET) && data !== -1;
      ok(!isOfSecret || !(isWhole || described.value.form === 'hidden') || !text.includes(PASSWORD), 'the data of a Secret is shown');
    }
  },
};

const SECRET = storedValue.seeds[0] as Buffer;

export const etcdFileTargets: readonly Target[] = [snapshot, storedValue];
