import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type S3Client,
  UploadPartCommand,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import { HaleError } from '../../base/error.ts';
import { partSizeBytes } from '../../core/etcd/snapshot/upload-parts.ts';
import type { SnapshotReceipt, SnapshotSink } from '../../ports/snapshot-store.ts';
import { type S3Settings, s3Failure } from './s3-client.ts';

/** Parts that are sent at the same time; each is held in memory until the server has it. */
const PARALLEL_PARTS = 3;
/** A part whose request was cut off may arrive after the upload was abandoned, and stay (Amazon S3 API, "AbortMultipartUpload"): so that is asked for until there is no such upload. */
const ABANDON_TIMES = 4;
const ABANDON_AGAIN_MS = 250;

interface UploadOptions {
  client: S3Client;
  settings: S3Settings;
  key: string;
  /** A guess. */
  sizeBytes: number;
  signal: AbortSignal;
}

/** An object that appears when it is whole. Its parts are checked as they arrive, the object when it is there. */
export async function beginUpload(options: UploadOptions): Promise<SnapshotSink> {
  const { client, settings, key } = options;
  const { bucket: Bucket, serverSideEncryption, kmsKeyId } = settings;
  // AWS_REQUEST_CHECKSUM_CALCULATION=when_required, for servers that refuse checksums.
  const sendsChecksums = (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED';
  const create = new CreateMultipartUploadCommand({
    Bucket,
    Key: key,
    ContentType: 'application/octet-stream',
    ...(sendsChecksums ? { ChecksumAlgorithm: 'SHA256' } : {}),
    ...(serverSideEncryption === undefined ? {} : { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
  });
  try {
    const { UploadId } = await client.send(create, { abortSignal: options.signal });
    return new Upload({ ...options, sendsChecksums, uploadId: UploadId as string });
  } catch (error) {
    throw s3Failure('beginning an upload', settings, error);
  }
}

interface SentPart extends CompletedPart {
  sha256: Buffer;
  /** As the server told it. */
  md5: string | undefined;
  /** Whether the server told a hash of what it has, and it was ours. */
  isConfirmed: boolean;
}

class Upload implements SnapshotSink {
  readonly #options: UploadOptions & { uploadId: string; sendsChecksums: boolean };
  readonly #running = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  readonly #free: Buffer[] = [];
  readonly #parts: SentPart[] = [];
  readonly #partBytes: number;
  #begun = 0;
  #sizeBytes = 0;
  #current: Buffer | undefined;
  #used = 0;
  #failure: unknown;

  constructor(options: UploadOptions & { uploadId: string; sendsChecksums: boolean }) {
    this.#options = options;
    this.#partBytes = partSizeBytes(options.sizeBytes);
    const stop = () => this.#running.abort();
    if (options.signal.aborted) stop();
    options.signal.addEventListener('abort', stop, { once: true });
  }

  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      this.#current ??= await this.#takeBuffer();
      const part = rest.subarray(0, this.#partBytes - this.#used);
      this.#current.set(part, this.#used);
      this.#used += part.length;
      rest = rest.subarray(part.length);
      if (this.#used === this.#partBytes) this.#sendCurrent();
    }
  }

  async commit(): Promise<SnapshotReceipt> {
    if (this.#used > 0) this.#sendCurrent();
    await Promise.all(this.#sending);
    this.#throwFailure();
    const { client, settings, key, uploadId } = this.#options;
    const Parts = this.#parts
      .toSorted((a, b) => (a.PartNumber as number) - (b.PartNumber as number))
      .map(({ PartNumber, ETag, ChecksumSHA256 }) => ({ PartNumber, ETag, ...(ChecksumSHA256 === undefined ? {} : { ChecksumSHA256 }) }));
    const complete = new CompleteMultipartUploadCommand({
      Bucket: settings.bucket,
      Key: key,
      UploadId: uploadId,
      MultipartUpload: { Parts },
    });
    try {
      await client.send(complete, { abortSignal: this.#running.signal });
    } catch (error) {
      throw s3Failure('completing the upload', settings, error);
    }
    return { place: `s3://${settings.bucket}/${key}`, notes: await this.#check() };
  }

  async discard(): Promise<void> {
    this.#running.abort();
    await Promise.all(this.#sending);
    const { client, settings, key, uploadId } = this.#options;
    try {
      for (let times = 1; times <= ABANDON_TIMES; times++) {
        await client.send(new AbortMultipartUploadCommand({ Bucket: settings.bucket, Key: key, UploadId: uploadId }));
        await sleep(ABANDON_AGAIN_MS);
      }
    } catch (error) {
      if ((error as Error).name !== 'NoSuchUpload') throw s3Failure(`abandoning upload ${uploadId} of ${key}`, settings, error);
    }
  }

  async #takeBuffer(): Promise<Buffer> {
    while (this.#sending.size >= PARALLEL_PARTS) await Promise.race(this.#sending);
    this.#throwFailure();
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#partBytes);
  }

  #sendCurrent(): void {
    const buffer = this.#current as Buffer;
    const sending = this.#send(buffer.subarray(0, this.#used), ++this.#begun)
      .catch((error: unknown) => {
        this.#failure ??= error;
        this.#running.abort();
      })
      .finally(() => {
        this.#free.push(buffer);
        this.#sending.delete(sending);
      });
    this.#sending.add(sending);
    this.#sizeBytes += this.#used;
    this.#current = undefined;
    this.#used = 0;
  }

  async #send(bytes: Buffer, number: number): Promise<void> {
    const { client, settings, key, uploadId, sendsChecksums } = this.#options;
    const sha256 = createHash('sha256').update(bytes).digest();
    const ChecksumSHA256 = sha256.toString('base64');
    const command = new UploadPartCommand({
      Bucket: settings.bucket,
      Key: key,
      UploadId: uploadId,
      PartNumber: number,
      Body: bytes,
      ...(sendsChecksums ? { ChecksumSHA256 } : {}),
    });
    try {
      const answer = await client.send(command, { abortSignal: this.#running.signal });
      const { ETag, ChecksumSHA256: told } = answer;
      const hash = md5Of(answer);
      const md5 = told === undefined && hash !== undefined ? createHash('md5').update(bytes).digest('hex') : undefined;
      if ((told !== undefined && told !== ChecksumSHA256) || (md5 !== undefined && md5 !== hash)) throw damaged(key);
      this.#parts.push({
        PartNumber: number,
        ETag,
        ...(told === undefined ? {} : { ChecksumSHA256: told }),
        sha256,
        md5: hash,
        isConfirmed: told !== undefined || md5 !== undefined,
      });
    } catch (error) {
      throw s3Failure(`sending part ${number}`, settings, error);
    }
  }

  /** Asks the server what it has now; an object that is another one is removed. */
  async #check(): Promise<string[]> {
    const { client, settings, key } = this.#options;
    const where = { Bucket: settings.bucket, Key: key };
    let head: HeadObjectCommandOutput;
    try {
      head = await client.send(new HeadObjectCommand({ ...where, ChecksumMode: 'ENABLED' }));
    } catch (error) {
      if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode !== 403) {
        throw s3Failure('asking for the uploaded object', settings, error);
      }
      return ['these credentials may not read the object (s3:GetObject), so only its parts were checked'];
    }
    if (head.ContentLength !== this.#sizeBytes || !this.#isExpected(head)) {
      await client.send(new DeleteObjectCommand(where)).catch(() => undefined);
      throw damaged(key);
    }
    return this.#parts.every(({ isConfirmed }) => isConfirmed)
      ? []
      : ['the server tells no hash of what it keeps, so only its size was checked'];
  }

  /** The object's hash is the hash of its parts' hashes. */
  #isExpected({ ETag, ChecksumSHA256, ChecksumType }: HeadObjectCommandOutput): boolean {
    const parts = this.#parts.toSorted((a, b) => (a.PartNumber as number) - (b.PartNumber as number));
    const ofParts = (algorithm: string, hashes: readonly Buffer[]) => createHash(algorithm).update(Buffer.concat(hashes)).digest();
    if (ChecksumSHA256 !== undefined && ChecksumType !== 'FULL_OBJECT') {
      const [told, count] = ChecksumSHA256.split('-');
      const whole = ofParts(
        'sha256',
        parts.map(({ sha256 }) => sha256),
      );
      return told === whole.toString('base64') && (count === undefined || count === `${parts.length}`);
    }
    const hashes = parts.flatMap(({ md5 }) => (md5 === undefined ? [] : Buffer.from(md5, 'hex')));
    if (hashes.length < parts.length || !/^"?[0-9a-f]{32}-\d+"?$/.test(ETag ?? '')) return true;
    return ETag?.replaceAll('"', '') === `${ofParts('md5', hashes).toString('hex')}-${parts.length}`;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#running.signal.aborted) throw s3Failure('uploading', this.#options.settings, new Error('it was interrupted'));
  }
}

/** The ETag of a part is its MD5, unless a key of KMS encrypts it. */
function md5Of({ ETag, ServerSideEncryption: kind }: UploadPartCommandOutput): string | undefined {
  return kind?.startsWith('aws:kms') ? undefined : /^"?([0-9a-f]{32})"?$/.exec(ETag ?? '')?.[1];
}

function damaged(key: string): HaleError {
  return new HaleError({
    code: 's3_damaged',
    kind: 'world',
    message: `${key}: the server has something else than was sent`,
    remedy: 'save again; when it happens again, the server or the way to it is broken',
  });
}
