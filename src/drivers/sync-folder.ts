import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Puts onto the disk what happened to the names in a folder; else a power failure could undo it. */
export function syncFolder(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
