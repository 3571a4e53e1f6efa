/** The SHA-256 that etcd appends to a snapshot: a database alone is as long as its pages, so of a multiple of 512 bytes. */
export const HASH_BYTES = 32;

export function hasHash(sizeBytes: number): boolean {
  return sizeBytes % 512 === HASH_BYTES;
}
