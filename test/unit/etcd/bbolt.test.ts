import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { problemText } from '../../../src/core/etcd/snapshot/wording.ts';
import { bboltFile, sealMetas } from '../../support/bbolt-file.ts';
import { type Change, etcdDatabase } from '../../support/etcd-store.ts';
import { inspected } from '../../support/inspected.ts';

const PAGE = 512;

const changes = Array.from(
  { length: 60 },
  (_, i): Change => ({ put: `/registry/pods/ns/pod-${i % 20}`, value: 'x'.repeat((i * 37) % 300) }),
);
/** Two levels of branches, with values that take several pages. */
const file = etcdDatabase({
  changes: [...changes, { put: '/registry/secrets/ns/large', value: 'y'.repeat(5 * PAGE) }],
  pageSizeBytes: PAGE,
  freelist: true,
  freePages: 5,
});

const whats = (bytes: Uint8Array) => inspected(bytes).problems.map(({ what }) => what);

/** Pages of a kind, by the flags in their header. */
const pagesOf = (flags: number) => {
  const pages = Array.from({ length: file.length / PAGE }, (_, page) => page);
  return pages.filter((page) => file.readUInt16LE(page * PAGE + 8) === flags && file.readBigUInt64LE(page * PAGE) === BigInt(page));
};
const [BRANCH, LEAF, META, FREELIST] = [1, 2, 4, 16] as const;
/** Where the first page of a kind begins. */
const at = (flags: number) => (pagesOf(flags)[0] as number) * PAGE;

function changed(change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(file);
  change(copy);
  return copy;
}

test('a sound file has no problem, whatever it holds', () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const entries = fc.uniqueArray(fc.tuple(key, fc.uint8Array({ maxLength: 2000 })), {
    selector: ([bytes]) => Buffer.from(bytes).toString('hex'),
  });
  const layout = fc.record({ pageSizeBytes: fc.constantFrom(512, 1024, 4096), freelist: fc.boolean(), freePages: fc.nat(20) });
  const buckets = fc.dictionary(fc.stringMatching(/^[a-z]{1,12}$/), entries, { maxKeys: 5 });
  fc.assert(
    fc.property(buckets, layout, (content, options) => {
      const { structure, problems } = inspected(bboltFile(content, options));
      expect(problems.filter(({ what }) => !/^(bucket|revision|record|member|lease|alarm|user|meta_malformed)/.test(what))).toEqual([]);
      expect(structure?.buckets.map(({ name }) => name).toSorted()).toEqual(Object.keys(content).toSorted());
      expect(structure?.pagesInUse).toBe((structure?.meta.pageCount ?? 0) - options.freePages);
    }),
  );
});

test('the file of these tests is sound', () => {
  expect(inspected(file).problems).toEqual([]);
  expect([BRANCH, LEAF, META, FREELIST].map((kind) => pagesOf(kind).length > 0)).toEqual([true, true, true, true]);
});

describe('each damage is found for what it is', () => {
  const damages: [what: string, damage: (copy: Buffer) => void][] = [
    ['meta_magic', (copy) => copy.writeUInt8(0, 16)],
    ['meta_version', (copy) => copy.writeUInt32LE(3, 20)],
    ['meta_page_size', (copy) => copy.writeUInt32LE(1000, 24)],
    ['meta_checksum', (copy) => copy.writeUInt32LE(77, 64)],
    ['meta_checksum', (copy) => copy.writeUInt32LE(77, PAGE + 64)],
    ['meta_page', (copy) => copy.writeUInt16LE(2, 8)],
    ['page_number', (copy) => copy.writeUInt8(0xee, at(LEAF))],
    ['page_kind', (copy) => copy.writeUInt16LE(3, at(LEAF) + 8)],
    ['page_kind', (copy) => copy.writeUInt16LE(LEAF, at(FREELIST) + 8)],
    ['page_empty', (copy) => copy.writeUInt16LE(0, at(BRANCH) + 10)],
    ['page_empty', (copy) => copy.writeUInt16LE(0, at(LEAF) + 10)],
    ['page_overflow', (copy) => copy.writeUInt32LE(0xffff_ffff, at(LEAF) + 12)],
    ['page_beyond', (copy) => copy.writeUInt32LE(100_000, at(BRANCH) + 16 + 8)],
    ['page_beyond', (copy) => copy.writeUInt32LE(1, at(BRANCH) + 16 + 8)],
    // The second child is the first once more.
    ['page_twice', (copy) => copy.copyWithin(at(BRANCH) + 16 + 16 + 8, at(BRANCH) + 16 + 8, at(BRANCH) + 16 + 16)],
    ['page_lost', (copy) => copy.copyWithin(at(BRANCH) + 16 + 16 + 8, at(BRANCH) + 16 + 8, at(BRANCH) + 16 + 16)],
    ['page_free', (copy) => copy.writeUInt32LE(at(LEAF) / PAGE, at(FREELIST) + 16 + 4 * 8)],
    ['element_flags', (copy) => copy.writeUInt32LE(2, at(LEAF) + 16)],
    ['element_position', (copy) => copy.writeUInt8(1, at(LEAF) + 16 + 4)],
    ['element_position', (copy) => copy.writeUInt16LE(1, at(LEAF) + 10)],
    ['element_bounds', (copy) => copy.writeUInt16LE(0xffff, at(LEAF) + 10)],
    ['element_bounds', (copy) => copy.writeUInt32LE(0xffff_ffff, at(LEAF) + 16 + 12)],
    ['key_empty', (copy) => copy.writeUInt32LE(0, at(BRANCH) + 16 + 4)],
    ['freelist_order', (copy) => copy.writeUInt32LE(2, at(FREELIST) + 16 + 8)],
    ['freelist_page', (copy) => copy.writeUInt32LE(0, at(FREELIST) + 16)],
    ['freelist_count', (copy) => copy.writeUInt16LE(2000, at(FREELIST) + 10)],
  ];
  test.each(damages)('%s', (what, damage) => {
    expect(whats(changed(damage))).toContain(what);
  });

  test('keys that do not ascend within a page, or leave what their branch allows', () => {
    const leaf = pagesOf(LEAF).find((page) => file.readUInt16LE(page * PAGE + 10) >= 2) as number;
    const element = leaf * PAGE + 16;
    const key = element + file.readUInt32LE(element + 4);
    expect(whats(changed((copy) => copy.writeUInt8(0x7f, key)))).toEqual(expect.arrayContaining(['key_order', 'key_range']));
  });

  test('a file that is shorter than its pages, or longer', () => {
    expect(whats(file.subarray(0, -PAGE))).toContain('file_short');
    expect(whats(Buffer.concat([file, Buffer.alloc(PAGE)]))).toEqual(['file_size']);
    const open = (more: number) =>
      inspected(Buffer.concat([file, Buffer.alloc(more)]), { endsWithPages: false }).problems.map(({ what }) => what);
    expect([open(PAGE), open(7)]).toEqual([[], ['file_size']]);
  });

  test('nothing, text, zeros', () => {
    expect(whats(Buffer.alloc(0))).toEqual(['file_short', 'file_short', 'meta_none']);
    expect(whats(Buffer.from('apiVersion: v1\n'.repeat(1000)))).toEqual(['meta_magic', 'meta_magic', 'meta_none']);
    expect(whats(Buffer.alloc(1 << 16))).toContain('meta_none');
  });

  test('one meta page alone is enough to read the rest, and still a problem', () => {
    for (const page of [0, 1]) {
      const { problems, content } = inspected(changed((copy) => copy.fill(0, page * PAGE, (page + 1) * PAGE)));
      expect(problems.map(({ what }) => what)).toEqual(['meta_magic']);
      expect(content?.keys).toBe(21);
    }
  });
});

/** Whether a byte is free to change: nobody reads it, or it is within a value. */
function flipAnywhere(seed: number, repair: (copy: Buffer) => Buffer): { offset: number; found: boolean } {
  const offset = seed % file.length;
  const copy = changed((bytes) => bytes.writeUInt8(bytes.readUInt8(offset) ^ (1 << (seed % 8)), offset));
  return { offset, found: inspected(repair(copy)).count > 0 };
}

test('any change anywhere is read to the end, and every change of a header, an element or the freelist is found', () => {
  const heads = new Set([...pagesOf(BRANCH), ...pagesOf(LEAF), ...pagesOf(FREELIST)].map((page) => page * PAGE));
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const { offset, found } = flipAnywhere(seed, sealMetas);
      const inPage = offset % PAGE;
      const page = offset - inPage;
      if (!heads.has(page)) return;
      const elements = file.readUInt16LE(page + 8) === FREELIST ? 8 * 5 : 16 * file.readUInt16LE(page + 10);
      // A leaf's first byte of an element holds its flags, of which 1 makes a bucket of it.
      if (inPage < 16 + elements) expect({ offset, found }).toEqual({ offset, found: true });
    }),
    { numRuns: 2000 },
  );
});

test('a file of any bytes is read to the end', () => {
  const meta = file.subarray(0, 2 * PAGE);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8192 }), fc.boolean(), (bytes, hasMeta) => {
      const { problems } = inspected(Buffer.concat(hasMeta ? [meta, bytes] : [bytes]));
      for (const problem of problems) expect(problemText(problem)).toMatch(/^[^\p{Cc}]+$/u);
    }),
  );
});

test('branches in a circle and buckets in buckets end', () => {
  const circle = changed((copy) => copy.writeUInt32LE(at(BRANCH) / PAGE, at(BRANCH) + 16 + 8));
  expect(whats(circle)).toContain('page_twice');
  const inner = nestedBuckets(100);
  const deep = bboltFile({ key: [[Buffer.from('k'), inner]] });
  deep.writeUInt32LE(1, deep.indexOf(Buffer.concat([Buffer.from('k'), inner])) - 16);
  expect(whats(deep)).toEqual(expect.arrayContaining(['tree_deep', 'bucket_nested']));
});

/** The value of a bucket that holds a bucket, and so on. */
function nestedBuckets(depth: number): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt16LE(LEAF, 16 + 8);
  if (depth === 0) return head;
  head.writeUInt16LE(1, 16 + 10);
  const value = nestedBuckets(depth - 1);
  const element = Buffer.alloc(16);
  for (const [i, number] of [1, 16, 1, value.length].entries()) element.writeUInt32LE(number, i * 4);
  return Buffer.concat([head, element, Buffer.from('k'), value]);
}
