import type { SnapshotSource } from '../../core/etcd/snapshot/source.ts';
import { assert } from '../../base/assert.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import type { SnapshotReceipt, SnapshotSink, SnapshotTarget } from '../../ports/snapshot-store.ts';
import { checkedSnapshot, type Hash, type SnapshotProgress } from './checked-snapshot.ts';

export interface SaveOptions {
  etcd: EtcdAdmin;
  /** Whom to ask, in this order; at least one. */
  sources: readonly SnapshotSource[];
  target: SnapshotTarget;
  /** What the snapshot is called, by the revision that the member has before it is asked. */
  nameOf: (revision: number) => string;
  /** Encrypts, or passes on. */
  seal: (plain: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
  createHash: () => Hash;
  signal: EtcdStopSignal;
  onBegin: (source: SnapshotSource, revision: number) => void;
  onProgress: (progress: SnapshotProgress) => void;
  /** What a user should know besides. */
  onNote: (text: string) => void;
}

export interface SavedSnapshot extends SnapshotReceipt {
  name: string;
  source: SnapshotSource;
  /** The snapshot holds this revision, and perhaps newer ones. */
  revision: number;
  /** Of the snapshot, with the hash at its end. */
  sizeBytes: number;
  /** Of what was written: more, when it is encrypted. */
  storedBytes: number;
}

/**
 * Takes one snapshot. A member that fails, dies midway or sends damaged data is left, and the next is asked from the start. What the target throws ends it: nothing is left
 * there then.
 */
export async function saveSnapshot(options: SaveOptions): Promise<SavedSnapshot> {
  const { sources, target, signal, onNote } = options;
  assert(sources.length > 0, 'a snapshot is asked of somebody');
  for (const [i, source] of sources.entries()) {
    const attempt = { hasFailedAtSource: false, hasWritten: false };
    try {
      return await saveFrom(source, attempt, options);
    } catch (error) {
      const next = sources[i + 1];
      const mayGoOn = attempt.hasFailedAtSource && !signal.aborted && (target.canStartAgain || !attempt.hasWritten);
      if (!mayGoOn || next === undefined) throw error;
      onNote(`${source.name}: ${(error as Error).message}; starting again with ${next.name}`);
    }
  }
  throw new Error('unreachable');
}

interface Attempt {
  /** Not the target, which another member would not mend. */
  hasFailedAtSource: boolean;
  hasWritten: boolean;
}

async function saveFrom(source: SnapshotSource, attempt: Attempt, options: SaveOptions): Promise<SavedSnapshot> {
  const { etcd, target, nameOf, signal, onBegin, onNote } = options;
  const status = await etcd.status(source.url).catch((error: unknown) => {
    attempt.hasFailedAtSource = true;
    throw error;
  });
  const name = nameOf(status.revision);
  const sink = await target.begin(name, status.dbSizeBytes);
  try {
    onBegin(source, status.revision);
    const sizes = await pour(source, { ...options, attempt, sink });
    // What was asked to stop between the last byte and here leaves nothing either.
    if (signal.aborted) throw new Error('interrupted');
    return { ...(await sink.commit()), name, source, revision: status.revision, ...sizes };
  } catch (error) {
    await sink.discard().catch((leftover: unknown) => onNote((leftover as Error).message));
    throw error;
  }
}

async function pour(
  source: SnapshotSource,
  options: SaveOptions & { attempt: Attempt; sink: SnapshotSink },
): Promise<{ sizeBytes: number; storedBytes: number }> {
  const { etcd, seal, createHash, signal, onProgress, attempt, sink } = options;
  let sizeBytes = 0;
  let storedBytes = 0;
  async function* fromSource(): AsyncGenerator<Uint8Array> {
    try {
      for await (const bytes of checkedSnapshot(etcd.snapshot(source.url, signal), { hash: createHash(), onProgress })) {
        sizeBytes += bytes.length;
        yield bytes;
      }
    } catch (error) {
      attempt.hasFailedAtSource = true;
      throw error;
    }
  }
  for await (const bytes of seal(fromSource())) {
    attempt.hasWritten = true;
    await sink.write(bytes);
    storedBytes += bytes.length;
  }
  return { sizeBytes, storedBytes };
}
