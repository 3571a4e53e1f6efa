/**
 * Where things stand in a file of bbolt, version 2 (go.etcd.io/bbolt, internal/common). It is as the writer's memory was; hale reads little-endian files, which
 * every machine but s390x writes.
 */

export const MAGIC = 0xed0cdaed;
export const VERSION = 2;

/** Id (8), flags (2), number of elements (2), pages of it beyond the first (4). */
export const PAGE_HEADER_BYTES = 16;
/** Branch: position (4), length of the key (4), page (8). Leaf: flags, position, length of the key, of the value (4 each). Positions count from the element. */
export const ELEMENT_BYTES = 16;
/** Root page (8), or 0 and the page follows; sequence (8). */
export const BUCKET_HEADER_BYTES = 16;
/** After the header of pages 0 and 1. */
export const META_BYTES = 64;

export const BRANCH_PAGE = 0x01;
export const LEAF_PAGE = 0x02;
export const META_PAGE = 0x04;
export const FREELIST_PAGE = 0x10;

/** Of a leaf's element: the value is a bucket. */
export const BUCKET_ELEMENT = 0x01;

/** In place of the freelist's page: there is none, and free is what no bucket reaches. etcd writes it so (NoFreelistSync). */
export const NO_FREELIST = 0xffff_ffff_ffff_ffffn;

/** Where the bytes of a file come from. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** Exactly `length` bytes, which must lie within the file; good until the next call. */
  read(offset: number, length: number): Uint8Array;
}

export interface PageHeader {
  id: number;
  flags: number;
  count: number;
  overflow: number;
}

export function readPageHeader(bytes: Uint8Array): PageHeader {
  return { id: u64(bytes, 0), flags: u16(bytes, 8), count: u16(bytes, 10), overflow: u32(bytes, 12) };
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

/** Not exact from 2^53 on, where no page and no transaction of a real file is. */
export function u64(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) + u32(bytes, at + 4) * 0x1_0000_0000;
}

export function u64Exact(bytes: Uint8Array, at: number): bigint {
  return BigInt(u32(bytes, at)) | (BigInt(u32(bytes, at + 4)) << 32n);
}

/** Negative, zero or positive, as bytes order keys; each key is a part of an array. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
