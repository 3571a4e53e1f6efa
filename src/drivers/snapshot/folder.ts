import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { parseSnapshotName } from '../../core/etcd/snapshot/name.ts';
import type { SnapshotStore, SnapshotTarget, StoredSnapshot } from '../../ports/snapshot-store.ts';
import { syncFolder } from '../sync-folder.ts';
import { beginFile, sweepParts, writeFailure } from './file-sink.ts';

/** Snapshots in a folder. HaleErrors `snapshot_unreadable`, `snapshot_write_failed`. */
export function folderStore(folder: string): SnapshotStore {
  return {
    place: folder,
    async list() {
      if (!existsSync(folder)) return [];
      const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
        throw unreadable(folder, error);
      });
      const found: StoredSnapshot[] = [];
      for (const entry of entries) {
        const parsed = entry.isFile() ? parseSnapshotName(entry.name) : undefined;
        // Another run may have removed it since.
        const facts = parsed && (await stat(join(folder, entry.name)).catch(() => undefined));
        if (parsed !== undefined && facts !== undefined) found.push({ ...parsed, name: entry.name, sizeBytes: facts.size });
      }
      return found;
    },
    async remove(name) {
      try {
        await unlink(join(folder, name));
        syncFolder(folder);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw writeFailure(join(folder, name), error);
      }
    },
  };
}

/** A new file in `folder`, which is made when it is not there. */
export function folderTarget(folder: string): SnapshotTarget {
  return {
    canStartAgain: true,
    async begin(name, sizeBytes) {
      await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
        throw writeFailure(folder, error);
      });
      await sweepParts(folder, (other) => parseSnapshotName(other) !== undefined);
      return await beginFile(join(folder, name), sizeBytes);
    },
  };
}

/** The file `path`, whatever the snapshot would be called. */
export function fileTarget(path: string): SnapshotTarget {
  return {
    canStartAgain: true,
    async begin(_name, sizeBytes) {
      const folder = dirname(path);
      if (!existsSync(folder)) throw writeFailure(path, new Error(`the folder ${folder} is not there`));
      await sweepParts(folder, (other) => join(folder, other) === join(path));
      return await beginFile(path, sizeBytes);
    },
  };
}

/** The bytes of a file. HaleError `snapshot_unreadable`. */
export async function* readFileBytes(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: 1024 * 1024 });
  } catch (error) {
    throw unreadable(path, error);
  }
}

export function unreadable(path: string, error: unknown): HaleError {
  return new HaleError({
    code: 'snapshot_unreadable',
    kind: 'world',
    message: `${path}: cannot be read: ${(error as Error).message}`,
    remedy: 'name a snapshot, or a folder of snapshots, that is there and that this user may read',
    cause: error,
  });
}
