import { HaleError } from '../../base/error.ts';
import type { EtcdSnapshotPart } from '../../ports/etcd-admin.ts';

/** SHA-256, which this layer cannot make itself. */
export interface Hash {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

export interface SnapshotProgress {
  doneBytes: number;
  totalBytes: number;
}

const HASH_BYTES = 32;
/** Pages of bbolt are at least as long on every disk (etcd, server/etcdserver/api/snap/db.go). */
const SECTOR_BYTES = 512;

/**
 * Passes a snapshot on and compares the hash at its end with that of the rest. The last bytes come out before that is known, so the reader must not believe them until the
 * stream has ended. HaleError `snapshot_damaged`.
 */
export async function* checkedSnapshot(
  parts: AsyncIterable<EtcdSnapshotPart>,
  options: { hash: Hash; onProgress: (progress: SnapshotProgress) => void },
): AsyncGenerator<Uint8Array> {
  const { hash, onProgress } = options;
  let tail: Uint8Array = new Uint8Array(0);
  let doneBytes = 0;
  let remainingBytes = 0;
  for await (const part of parts) {
    const { blob } = part;
    ({ remainingBytes } = part);
    doneBytes += blob.length;
    tail = hashAllButTail(hash, tail, blob);
    yield blob;
    onProgress({ doneBytes, totalBytes: doneBytes + remainingBytes });
  }
  if (remainingBytes > 0) throw damaged(`it ended ${remainingBytes} bytes early`);
  if (tail.length < HASH_BYTES || doneBytes === HASH_BYTES) throw damaged('it is empty');
  if (doneBytes % SECTOR_BYTES !== HASH_BYTES) throw damaged(`${doneBytes} bytes are no whole database with a hash`);
  const own = hash.digest();
  if (!tail.every((byte, i) => byte === own[i])) throw damaged('its SHA-256 is not the one that the member sent');
}

/** Returns the last 32 bytes of all that came, which may be the hash. */
function hashAllButTail(hash: Hash, tail: Uint8Array, blob: Uint8Array): Uint8Array {
  if (blob.length >= HASH_BYTES) {
    hash.update(tail);
    hash.update(blob.subarray(0, -HASH_BYTES));
    return blob.slice(-HASH_BYTES);
  }
  const both = new Uint8Array(tail.length + blob.length);
  both.set(tail);
  both.set(blob, tail.length);
  hash.update(both.subarray(0, Math.max(0, both.length - HASH_BYTES)));
  return both.slice(-HASH_BYTES);
}

function damaged(what: string): HaleError {
  return new HaleError({
    code: 'snapshot_damaged',
    kind: 'world',
    message: `the snapshot did not arrive as the member sent it: ${what}`,
    remedy: 'save again; when it happens again, save from another member with --member NAME',
  });
}
