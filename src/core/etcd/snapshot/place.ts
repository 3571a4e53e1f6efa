/** Where a snapshot is, or goes, as a user writes it. */
export type SnapshotPlace =
  | { kind: 'stdout' }
  /** A file, or a folder of snapshots. */
  | { kind: 'path'; path: string }
  /** `key` is an object's, or ends with `/` or is empty for all that begin with it. */
  | { kind: 's3'; bucket: string; key: string };

const S3_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s;

/** Undefined for an s3:// URL that names no bucket, and for an empty text. */
export function parseSnapshotPlace(text: string): SnapshotPlace | undefined {
  if (text === '-') return { kind: 'stdout' };
  if (!text.startsWith('s3://')) return text === '' ? undefined : { kind: 'path', path: text };
  const [, bucket, key = ''] = S3_URL.exec(text) ?? [];
  return bucket === undefined ? undefined : { kind: 's3', bucket, key };
}
