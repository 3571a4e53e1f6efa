import { BUCKET_ELEMENT, BUCKET_HEADER_BYTES, compareKeys, ELEMENT_BYTES, PAGE_HEADER_BYTES, type PageHeader, u32, u64 } from './layout.ts';
import type { Problems, StructureProblem } from './problem.ts';

/** A key and its value; the same object for every one, good during the call. */
export interface Element {
  /** Of the page and those that continue it. */
  bytes: Uint8Array;
  keyAt: number;
  keyBytes: number;
  valueAt: number;
  valueBytes: number;
  page: number;
  /** Where `bytes` begins in the file. */
  offset: number;
}

export type ElementVisitor = (element: Element) => void;

/** Keys of a page lie in [from, to); absent: no bound. */
export interface KeyBounds {
  from?: Uint8Array;
  to?: Uint8Array;
}

export interface BucketEntry {
  name: string;
  /** First page of its tree; 0 where `inline` is the whole of it. */
  root: number;
  /** A copy of the leaf, and where it stands. */
  inline: { bytes: Uint8Array; page: number; offset: number } | undefined;
}

interface LeafOptions {
  bytes: Uint8Array;
  header: PageHeader;
  page: number;
  offset: number;
  /** It is the value of an element, and ends with its last element. */
  isInline: boolean;
  bounds: KeyBounds;
  problems: Problems<StructureProblem>;
  visit: ElementVisitor | undefined;
  /** Buckets that it names are added. */
  found: BucketEntry[];
}

/** Shows every element to `visit`. Returns how many bytes the leaf uses; undefined when its elements cannot be trusted, and were read only up to the first such. */
export function readLeaf(leaf: LeafOptions): number | undefined {
  const { bytes, header, page, offset, problems, visit } = leaf;
  const element: Element = { bytes, keyAt: 0, keyBytes: 0, valueAt: 0, valueBytes: 0, page, offset };
  let next = PAGE_HEADER_BYTES + header.count * ELEMENT_BYTES;
  if (next > bytes.length) return void problems.add({ what: 'element_bounds', page, offset, expected: bytes.length, found: next });
  for (let i = 0; i < header.count; i++) {
    const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
    const flags = u32(bytes, at);
    const keyAt = at + u32(bytes, at + 4);
    const keyBytes = u32(bytes, at + 8);
    const valueBytes = u32(bytes, at + 12);
    const end = keyAt + keyBytes + valueBytes;
    const where = { page, offset: offset + at };
    // bbolt writes keys and values one after the other, without gaps.
    if (keyAt !== next) return void problems.add({ what: 'element_position', ...where, expected: next, found: keyAt });
    if (end > bytes.length) return void problems.add({ what: 'element_bounds', ...where, expected: bytes.length, found: end });
    if (keyBytes === 0) return void problems.add({ what: 'key_empty', ...where });
    if (flags !== 0 && flags !== BUCKET_ELEMENT) problems.add({ what: 'element_flags', ...where, found: flags });
    checkOrder(leaf, { i, previousAt: element.keyAt, previousBytes: element.keyBytes, keyAt, keyBytes });
    element.keyAt = keyAt;
    element.keyBytes = keyBytes;
    element.valueAt = keyAt + keyBytes;
    element.valueBytes = valueBytes;
    if (flags === BUCKET_ELEMENT) leaf.found.push(...readBucket(leaf, element));
    else visit?.(element);
    next = end;
  }
  if (leaf.isInline && next !== bytes.length) problems.add({ what: 'element_bounds', page, offset, expected: bytes.length, found: next });
  return next;
}

interface KeyPlace {
  i: number;
  previousAt: number;
  previousBytes: number;
  keyAt: number;
  keyBytes: number;
}

/** Only the outer keys can leave the bounds when those between ascend. */
function checkOrder({ bytes, header, page, offset, bounds, problems }: LeafOptions, place: KeyPlace): void {
  const { i, keyAt, keyBytes } = place;
  if (i > 0 && !ascends(bytes, place)) problems.add({ what: 'key_order', page, offset: offset + keyAt });
  const isOuter = i === 0 || i === header.count - 1;
  if (isOuter && !isWithin(bytes.subarray(keyAt, keyAt + keyBytes), bounds))
    problems.add({ what: 'key_range', page, offset: offset + keyAt });
}

/** Without views of the two keys, which are slow to make millions of. */
function ascends(bytes: Uint8Array, { previousAt, previousBytes, keyAt, keyBytes }: KeyPlace): boolean {
  const length = Math.min(previousBytes, keyBytes);
  for (let i = 0; i < length; i++) {
    const difference = (bytes[keyAt + i] as number) - (bytes[previousAt + i] as number);
    if (difference !== 0) return difference > 0;
  }
  return keyBytes > previousBytes;
}

export function isWithin(key: Uint8Array, { from, to }: KeyBounds): boolean {
  return (from === undefined || compareKeys(key, from) >= 0) && (to === undefined || compareKeys(key, to) < 0);
}

function readBucket({ bytes, page, offset, problems }: LeafOptions, { keyAt, keyBytes, valueAt, valueBytes }: Element): BucketEntry[] {
  const name = String.fromCharCode(...bytes.subarray(keyAt, keyAt + Math.min(keyBytes, 256)));
  const wrong = { what: 'bucket_header', page, offset: offset + valueAt } as const;
  if (valueBytes < BUCKET_HEADER_BYTES) return (problems.add(wrong), []);
  const root = u64(bytes, valueAt);
  if (root !== 0) {
    if (valueBytes !== BUCKET_HEADER_BYTES) problems.add(wrong);
    return [{ name, root, inline: undefined }];
  }
  if (valueBytes < BUCKET_HEADER_BYTES + PAGE_HEADER_BYTES) return (problems.add(wrong), []);
  const start = valueAt + BUCKET_HEADER_BYTES;
  return [{ name, root, inline: { bytes: new Uint8Array(bytes.subarray(start, valueAt + valueBytes)), page, offset: offset + start } }];
}
