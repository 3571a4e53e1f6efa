import { write } from 'node:fs';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../base/error.ts';
import type { SnapshotTarget } from '../../ports/snapshot-store.ts';

/** Its place, for people. */
export const STDOUT = 'standard output';
const FILE_DESCRIPTOR = 1;
const AGAIN_MS = 5;
const writeTo = promisify(write);

/** Standard output. What was written stays written, so a run that fails can only say that it did. HaleErrors `snapshot_reader_gone`, `snapshot_write_failed`. */
export function stdoutTarget(signal: AbortSignal): SnapshotTarget {
  const stopped = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(failure(new Error('interrupted')))));
  stopped.catch(() => undefined);
  return {
    canStartAgain: false,
    begin: async () => ({
      // Not process.stdout, which would hold up this whole process while the reader takes its time.
      write: async (bytes) => await Promise.race([writeAll(bytes), stopped]),
      commit: async () => ({ place: STDOUT, notes: [] }),
      discard: async () => undefined,
    }),
  };
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0; ) {
    try {
      rest = rest.subarray((await writeTo(FILE_DESCRIPTOR, rest)).bytesWritten);
    } catch (error) {
      // A pipe that somebody else made non-blocking, and that is full.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw failure(error);
      await sleep(AGAIN_MS);
    }
  }
}

function failure(error: unknown): HaleError {
  const { code, message } = error as NodeJS.ErrnoException;
  return new HaleError({
    code: code === 'EPIPE' ? 'snapshot_reader_gone' : 'snapshot_output_failed',
    kind: 'world',
    message: `standard output: the snapshot was not written whole: ${message}`,
    remedy: 'throw away what the reader has of it',
  });
}
