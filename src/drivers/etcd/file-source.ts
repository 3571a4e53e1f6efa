import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteSource } from '../../core/etcd/bbolt/layout.ts';
import { unreadable } from '../snapshot/folder.ts';

/** Where reading goes on from page to page, as much at once. */
const AHEAD_BYTES = 262_144;
/** Elsewhere: a page, and a few that may be next. */
const NEAR_BYTES = 16_384;

export interface FileSource extends ByteSource {
  /** Whether the file is still the one that was opened, as its size and time of change say. */
  isUnchanged(): boolean;
  close(): void;
}

/** A file in windows, so that little of it is in memory; `hiddenBytes` at its end do not belong to the source. HaleError `snapshot_unreadable`. */
export function openFileSource(path: string, hiddenBytes = 0): FileSource {
  const opened = attempt(path, () => {
    const file = openSync(path, 'r');
    return { file, stat: fstatSync(file, { bigint: true }) };
  });
  const { file, stat } = opened;
  if (!stat.isFile()) {
    closeSync(file);
    throw unreadable(path, new Error('it is no file'));
  }
  const sizeBytes = Math.max(0, Number(stat.size) - hiddenBytes);
  const buffer = new Uint8Array(AHEAD_BYTES);
  let window = { at: 0, bytes: buffer.subarray(0, 0) };
  return {
    sizeBytes,
    read(offset, length) {
      const from = offset - window.at;
      if (from >= 0 && from + length <= window.bytes.length) return window.bytes.subarray(from, from + length);
      const isNext = offset >= window.at && offset <= window.at + window.bytes.length + NEAR_BYTES;
      const wanted = Math.min(Math.max(length, isNext ? AHEAD_BYTES : NEAR_BYTES), sizeBytes - offset);
      // A run of pages that is larger than the window gets an array of its own, which ends with it.
      const into = wanted > buffer.length ? new Uint8Array(wanted) : buffer.subarray(0, wanted);
      attempt(path, () => fill(file, into, offset));
      window = { at: offset, bytes: into };
      return into.subarray(0, length);
    },
    isUnchanged() {
      const now = fstatSync(file, { bigint: true });
      return now.size === stat.size && now.mtimeNs === stat.mtimeNs;
    },
    close: () => closeSync(file),
  };
}

function fill(file: number, into: Uint8Array, offset: number): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(file, into, done, into.length - done, offset + done);
    if (count === 0) throw new Error('it became shorter while it was read');
    done += count;
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unreadable(path, error);
  }
}
