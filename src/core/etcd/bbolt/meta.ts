import { type ByteSource, MAGIC, META_BYTES, META_PAGE, PAGE_HEADER_BYTES, readPageHeader, u32, u64, u64Exact, VERSION } from './layout.ts';
import type { Problems, StructureProblem } from './problem.ts';

/** What a meta page says of the file: where the tree and the freelist begin, and how far the file is used. */
export interface Meta {
  pageSizeBytes: number;
  /** Page of the bucket that holds the buckets. */
  rootPage: number;
  /** Exact, because all ones mean that there is none. */
  freelistPage: bigint;
  /** High-water mark: pages from this number on were never used. */
  pageCount: number;
  transaction: number;
}

const CHECKED_BYTES = 56;
const SMALLEST_PAGE_BYTES = 512;
const LARGEST_PAGE_BYTES = 65_536;
const USUAL_PAGE_BYTES = 4096;

/**
 * The newer of the two meta pages that are right, as bbolt chooses it, or undefined. Both are looked at, and what is wrong with either is a problem: one alone
 * is what bbolt goes on with, but not what it writes.
 */
export function readMetas(source: ByteSource, problems: Problems<StructureProblem>): Meta | undefined {
  const first = readMeta(source, { page: 0, pageSizeBytes: 0, problems });
  const pageSizeBytes = first?.pageSizeBytes ?? findPageSize(source);
  const second = readMeta(source, { page: 1, pageSizeBytes, problems });
  if (first !== undefined && second !== undefined) return second.transaction > first.transaction ? second : first;
  const only = first ?? second;
  if (only === undefined) problems.add({ what: 'meta_none' });
  return only;
}

interface MetaPlace {
  page: 0 | 1;
  /** Undefined in effect for page 0, whose place does not depend on it. */
  pageSizeBytes: number;
  problems: Problems<StructureProblem>;
}

function readMeta(source: ByteSource, { page, pageSizeBytes, problems }: MetaPlace): Meta | undefined {
  const offset = page * pageSizeBytes;
  const length = PAGE_HEADER_BYTES + META_BYTES;
  if (offset + length > source.sizeBytes) {
    problems.add({ what: 'file_short', page, expected: offset + length, found: source.sizeBytes });
    return undefined;
  }
  const bytes = source.read(offset, length);
  const header = readPageHeader(bytes);
  const body = bytes.subarray(PAGE_HEADER_BYTES);
  const wrong = wrongMeta(body);
  if (wrong !== undefined) {
    problems.add({ ...wrong, page, offset });
    return undefined;
  }
  const meta = parseMeta(body);
  if (header.id !== page || header.flags !== META_PAGE || header.count !== 0 || header.overflow !== 0) {
    problems.add({ what: 'meta_page', page, offset });
  }
  if (page === 1 && meta.pageSizeBytes !== pageSizeBytes) {
    problems.add({ what: 'meta_page_size', page, offset, expected: pageSizeBytes, found: meta.pageSizeBytes });
    return undefined;
  }
  return meta;
}

function wrongMeta(body: Uint8Array): StructureProblem | undefined {
  const magic = u32(body, 0);
  if (magic !== MAGIC) return { what: 'meta_magic', expected: hex(MAGIC), found: hex(magic) };
  const version = u32(body, 4);
  if (version !== VERSION) return { what: 'meta_version', expected: VERSION, found: version };
  const pageSize = u32(body, 8);
  if (!isPageSize(pageSize)) return { what: 'meta_page_size', found: pageSize };
  const expected = fnv1a64(body.subarray(0, CHECKED_BYTES));
  const found = u64Exact(body, CHECKED_BYTES);
  return expected === found ? undefined : { what: 'meta_checksum', expected: hex(expected), found: hex(found) };
}

function parseMeta(body: Uint8Array): Meta {
  return {
    pageSizeBytes: u32(body, 8),
    rootPage: u64(body, 16),
    freelistPage: u64Exact(body, 32),
    pageCount: u64(body, 40),
    transaction: u64(body, 48),
  };
}

/** Where page 1 is when page 0 does not say it: where a right one is, else where it usually is. */
function findPageSize(source: ByteSource): number {
  for (let size = SMALLEST_PAGE_BYTES; size <= LARGEST_PAGE_BYTES; size *= 2) {
    if (size + PAGE_HEADER_BYTES + META_BYTES > source.sizeBytes) break;
    const body = source.read(size + PAGE_HEADER_BYTES, META_BYTES);
    if (wrongMeta(body) === undefined && u32(body, 8) === size) return size;
  }
  return USUAL_PAGE_BYTES;
}

function isPageSize(bytes: number): boolean {
  return bytes >= SMALLEST_PAGE_BYTES && bytes <= LARGEST_PAGE_BYTES && (bytes & (bytes - 1)) === 0;
}

/** Fowler, Noll and Vo's hash 1a of 64 bits. */
function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
