import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { HaleError } from '../../base/error.ts';
import { parseSnapshotName } from '../../core/etcd/snapshot/name.ts';
import type { SnapshotStore, SnapshotTarget, StoredSnapshot } from '../../ports/snapshot-store.ts';
import { openS3, type S3Settings, s3Failure } from './s3-client.ts';
import { beginUpload } from './s3-upload.ts';

/** An upload that takes longer than this belongs to a run that was killed. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** The objects of a bucket that begin with `prefix`. */
export function s3Store(settings: S3Settings, prefix: string): SnapshotStore {
  const client = openS3(settings);
  const { bucket: Bucket } = settings;
  return {
    place: `s3://${Bucket}/${prefix}`,
    async list() {
      const found: StoredSnapshot[] = [];
      try {
        for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket, Prefix: prefix, Delimiter: '/' })) {
          for (const { Key = '', Size = 0 } of Contents) {
            const name = Key.slice(prefix.length);
            const parsed = parseSnapshotName(name);
            if (parsed !== undefined) found.push({ ...parsed, name, sizeBytes: Size });
          }
        }
      } catch (error) {
        throw s3Failure('listing', settings, error);
      }
      return found;
    },
    async remove(name) {
      try {
        await client.send(new DeleteObjectCommand({ Bucket, Key: `${prefix}${name}` }));
      } catch (error) {
        throw s3Failure(`deleting ${prefix}${name}`, settings, error);
      }
    },
  };
}

/** A new object: `key` itself, or below it when it ends with `/` or is empty. */
export function s3Target(
  settings: S3Settings,
  options: { key: string; signal: AbortSignal; note: (text: string) => void },
): SnapshotTarget {
  const { key, signal, note } = options;
  const client = openS3(settings);
  return {
    canStartAgain: true,
    async begin(name, sizeBytes) {
      const isPrefix = key === '' || key.endsWith('/');
      const wanted = isPrefix ? `${key}${name}` : key;
      await checkAbsent(client, { settings, key: wanted });
      const isOurs = (other: string) => (isPrefix ? parseSnapshotName(other.slice(key.length)) !== undefined : other === key);
      await abandonOld(client, { settings, prefix: key, isOurs, note });
      return await beginUpload({ client, settings, key: wanted, sizeBytes, signal });
    },
  };
}

/** The bytes of an object, and how many. */
export async function readObject(settings: S3Settings, key: string): Promise<{ bytes: AsyncIterable<Uint8Array>; sizeBytes: number }> {
  try {
    const { Body, ContentLength = 0 } = await openS3(settings).send(new GetObjectCommand({ Bucket: settings.bucket, Key: key }));
    return { bytes: withFailures(Body as AsyncIterable<Uint8Array>, settings, key), sizeBytes: ContentLength };
  } catch (error) {
    throw s3Failure(`reading ${key}`, settings, error);
  }
}

async function* withFailures(body: AsyncIterable<Uint8Array>, settings: S3Settings, key: string): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw s3Failure(`reading ${key}`, settings, error);
  }
}

async function checkAbsent(client: S3Client, { settings, key }: { settings: S3Settings; key: string }): Promise<void> {
  try {
    await client.send(new HeadObjectCommand({ Bucket: settings.bucket, Key: key }));
  } catch (error) {
    const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
    // Credentials that may only write are told 403, there or not. A bucket that is not there, the upload finds out.
    if (status === 404 || status === 403) return;
    throw s3Failure(`looking for ${key}`, settings, error);
  }
  throw new HaleError({
    code: 's3_object_exists',
    kind: 'usage',
    message: `s3://${settings.bucket}/${key}: is there already, and is not overwritten`,
    remedy: 'name another object, or a prefix that ends with /, below which hale gives the names',
  });
}

interface Abandon {
  settings: S3Settings;
  prefix: string;
  isOurs: (key: string) => boolean;
  note: (text: string) => void;
}

/** Frees what uploads of killed runs hold. That costs money and nothing else, so a failure, for want of a permission for example, is no reason not to save. */
async function abandonOld(client: S3Client, { settings, prefix, isOurs, note }: Abandon): Promise<void> {
  const where = { Bucket: settings.bucket };
  try {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ ...where, Prefix: prefix }));
    for (const { Key = '', UploadId, Initiated } of Uploads) {
      const isOld = Initiated !== undefined && Date.now() - Initiated.getTime() > ABANDONED_MS;
      if (!isOld || !isOurs(Key)) continue;
      await client.send(new AbortMultipartUploadCommand({ ...where, Key, UploadId }));
      note(`abandoned the upload of ${Key} that a killed run had left`);
    }
  } catch {
    // The next run tries again.
  }
}
