/** Amazon's limits of a multipart upload ("Amazon S3 multipart upload limits"); others copy them. */
const MAX_PARTS = 10_000;
const MIB = 1024 * 1024;
/** The smallest part but the last is 5 MiB. Large enough for few round trips, small enough to hold a few in memory. */
const USUAL_PART_BYTES = 8 * MIB;

/** Size of the parts of an upload of about `totalBytes`: half as many parts as are allowed, because the guess may be low. */
export function partSizeBytes(totalBytes: number): number {
  return Math.max(USUAL_PART_BYTES, Math.ceil(totalBytes / (MAX_PARTS / 2) / MIB) * MIB);
}
