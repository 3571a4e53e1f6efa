import { stat } from 'node:fs/promises';
import { HaleError } from '../../base/error.ts';
import { parseSnapshotPlace } from '../../core/etcd/snapshot/place.ts';
import { AGE_MAGIC, decrypted } from './age.ts';
import { readFileBytes, unreadable } from './folder.ts';
import { readIdentities } from './identity.ts';
import type { S3Settings } from './s3-client.ts';
import { StreamReader } from './stream-reader.ts';

/** A snapshot to be read once, from its beginning. */
export interface OpenedSnapshot {
  /** The database, and the hash at its end where there is one; decrypted. */
  bytes: AsyncIterable<Uint8Array>;
  /** Of the file or object, before decryption. */
  storedBytes: number;
  isEncrypted: boolean;
}

export interface OpenSnapshotOptions {
  /** Secret keys of age, as age-keygen writes them; needed for what is encrypted, whatever it is called. */
  identityFile?: string;
  /** How the bucket of an `s3://` source is reached; Amazon's own by default. */
  s3?: Omit<S3Settings, 'bucket'>;
}

/**
 * Opens a file or an object (`s3://BUCKET/KEY`). HaleErrors: `snapshot_unreadable`, `s3_failed`, `age_identity_missing`, `age_identity_wrong`, `age_not_for_us`; the
 * bytes can throw `age_damaged` and those of the place that they come from.
 */
export async function openSnapshot(source: string, options: OpenSnapshotOptions = {}): Promise<OpenedSnapshot> {
  const stored = await openStored(source, options.s3);
  const reader = new StreamReader(stored.bytes);
  const start = await reader.take(AGE_MAGIC.length);
  const whole = prepended(start, reader);
  const isEncrypted = start.toString('latin1') === AGE_MAGIC;
  if (!isEncrypted) return { bytes: whole, storedBytes: stored.sizeBytes, isEncrypted };
  if (options.identityFile === undefined) {
    await reader.close();
    throw new HaleError({
      code: 'age_identity_missing',
      kind: 'usage',
      message: `${source}: is encrypted`,
      remedy: 'give the file with the secret key of one of its recipients: --identity FILE',
    });
  }
  return { bytes: decrypted(whole, readIdentities(options.identityFile)), storedBytes: stored.sizeBytes, isEncrypted };
}

async function openStored(source: string, s3: OpenSnapshotOptions['s3']): Promise<{ bytes: AsyncIterable<Uint8Array>; sizeBytes: number }> {
  const place = parseSnapshotPlace(source);
  if (place?.kind === 's3') {
    const { readObject } = await import('./s3-store.ts');
    return await readObject({ ...s3, bucket: place.bucket }, place.key);
  }
  if (place?.kind !== 'path') throw unreadable(JSON.stringify(source), new Error('it is neither a file nor s3://BUCKET/KEY'));
  const facts = await stat(place.path).catch((error: unknown) => {
    throw unreadable(source, error);
  });
  if (!facts.isFile()) throw unreadable(source, new Error('it is no file'));
  return { bytes: readFileBytes(place.path), sizeBytes: facts.size };
}

async function* prepended(start: Uint8Array, reader: StreamReader): AsyncGenerator<Uint8Array> {
  try {
    yield start;
    yield* reader.remaining();
  } finally {
    await reader.close();
  }
}
