/** A thread that computes the SHA-256 of the beginning of a file, beside the main thread, which looks at its structure. */
import { createHash } from 'node:crypto';
import { openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

export interface HashJob {
  path: string;
  /** As much of the file is hashed. */
  bytes: number;
}

const PIECE_BYTES = 1024 * 1024;

const { path, bytes } = workerData as HashJob;
const hash = createHash('sha256');
const buffer = Buffer.allocUnsafe(PIECE_BYTES);
const file = openSync(path, 'r');
for (let done = 0; done < bytes; ) {
  const count = readSync(file, buffer, 0, Math.min(PIECE_BYTES, bytes - done), done);
  if (count === 0) throw new Error('it became shorter while it was read');
  hash.update(buffer.subarray(0, count));
  done += count;
}
parentPort?.postMessage(hash.digest());
