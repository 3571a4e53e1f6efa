import { type FileHandle, open, readdir, rename, rm, stat, statfs, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { SnapshotSink } from '../../ports/snapshot-store.ts';
import { syncFolder } from '../sync-folder.ts';
import { isAbandoned, nameOfPart, partName } from './part-name.ts';

/** What stays free on the disk, which etcd may share: a full one stops etcd. */
const RESERVE_BYTES = 256 * 1024 * 1024;

/** A file that appears under its name when it is whole and on the disk. The folder must exist. HaleErrors `snapshot_exists`, `snapshot_no_space`, `snapshot_write_failed`. */
export async function beginFile(path: string, sizeBytes: number): Promise<SnapshotSink> {
  await checkAbsent(path);
  await checkSpace(path, sizeBytes);
  const part = join(dirname(path), partName(basename(path)));
  const file = await open(part, 'wx', 0o600).catch((error: unknown) => {
    throw writeFailure(path, error);
  });
  return new FileSink({ path, part, file });
}

/** Removes parts in `folder` of runs that were killed, if `isOurs` says so of the name they were written for. */
export async function sweepParts(folder: string, isOurs: (name: string) => boolean): Promise<void> {
  for (const file of await readdir(folder)) {
    const name = nameOfPart(file);
    if (name === undefined || !isOurs(name)) continue;
    const facts = await stat(join(folder, file)).catch(() => undefined);
    if (facts !== undefined && isAbandoned(file, Date.now() - facts.mtimeMs)) await rm(join(folder, file), { force: true });
  }
}

class FileSink implements SnapshotSink {
  readonly #path: string;
  readonly #part: string;
  readonly #file: FileHandle;

  constructor({ path, part, file }: { path: string; part: string; file: FileHandle }) {
    this.#path = path;
    this.#part = part;
    this.#file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let rest = bytes; rest.length > 0; ) rest = rest.subarray((await this.#file.write(rest)).bytesWritten);
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
  }

  async commit() {
    try {
      await this.#file.sync();
      await this.#file.close();
      await checkAbsent(this.#path);
      await rename(this.#part, this.#path);
      syncFolder(dirname(this.#path));
    } catch (error) {
      throw writeFailure(this.#path, error);
    }
    return { place: this.#path, notes: [] };
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#part).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw writeFailure(this.#part, error);
    });
  }
}

async function checkAbsent(path: string): Promise<void> {
  if ((await stat(path).catch(() => undefined)) === undefined) return;
  throw new HaleError({
    code: 'snapshot_exists',
    kind: 'usage',
    message: `${path}: is there already, and is not overwritten`,
    remedy: 'name another file, or a folder, in which hale gives the names',
  });
}

async function checkSpace(path: string, sizeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path)).catch((error: unknown) => {
    throw writeFailure(path, error);
  });
  const freeBytes = bavail * bsize;
  if (freeBytes >= sizeBytes + RESERVE_BYTES) return;
  throw new HaleError({
    code: 'snapshot_no_space',
    kind: 'world',
    message: `${dirname(path)}: ${sizeText(freeBytes)} are free; the snapshot takes ${sizeText(sizeBytes)}, and ${sizeText(RESERVE_BYTES)} must stay free, because a full disk stops etcd where it shares it`,
    remedy: 'remove older snapshots (hale etcd snapshot prune), or save to another disk or to s3://',
  });
}

const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG'];

export function writeFailure(path: string, error: unknown): HaleError {
  if (error instanceof HaleError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new HaleError({
    code: FULL.includes(code) ? 'snapshot_disk_full' : 'snapshot_write_failed',
    kind: 'world',
    message: `${path}: cannot be written: ${message}`,
    remedy: FULL.includes(code)
      ? 'make room (hale etcd snapshot prune), or save to another disk or to s3://; nothing of this snapshot was left'
      : 'save to a folder that exists and that this user may write to',
    cause: error,
  });
}
