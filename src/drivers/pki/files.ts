import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, rmSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { KeyPair } from './authority.ts';

export const KEY_MODE = 0o600;
export const CERTIFICATE_MODE = 0o644;
/** Of a file that is being written, beside the one that it becomes. */
export const NEW = '.hale-new';

/** Writes `name.crt` (0644) and `name.key` (0600) into an existing folder, replacing what is there. */
export function writeKeyPair(dir: string, name: string, pair: KeyPair): void {
  for (const [file, text, mode] of [
    [`${name}.key`, pair.keyPem, KEY_MODE],
    [`${name}.crt`, pair.certPem, CERTIFICATE_MODE],
  ] as const) {
    rmSync(join(dir, file), { force: true });
    createFile(join(dir, file), { text, mode });
  }
}

/** Makes a file, whole or not at all, and never over one that is there (EEXIST). Folders above it are made. */
export function createFile(path: string, options: { text: string; mode: number }): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = writeBeside(path, options);
  try {
    linkSync(temporary, path);
  } finally {
    rmSync(temporary);
  }
}

/**
 * Writes what `path` is going to be into a file beside it, down to the disk, and returns that file's path. A file that exists keeps its mode, and a chmod
 * afterwards would leave a key readable for a moment: hence always a new one. With `like` it gets that file's owner, who may be the only one that reads it.
 */
export function writeBeside(path: string, { text, mode, like }: { text: string; mode: number; like?: Stats | undefined }): string {
  const temporary = `${path}${NEW}`;
  rmSync(temporary, { force: true });
  writeFileSync(temporary, text, { mode: mode & 0o600, flag: 'wx', flush: true });
  if (like !== undefined && process.getuid?.() === 0) chownSync(temporary, like.uid, like.gid);
  chmodSync(temporary, mode);
  return temporary;
}

/** Of what a symbolic link leads to. */
export function statIfThere(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Also true of a symbolic link that leads nowhere. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
