import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { HaleError } from '../../base/error.ts';
import type { MendedFile } from '../../core/doctor/mend.ts';
import { syncFolder } from '../sync-folder.ts';
import { decode } from './decode.ts';

const UTF8_MARK = '\ufeff';

/** Puts the new text into the place of the file at once, with its mode and owner. HaleError where it is not what was looked at any more, or cannot be written. */
export function replaceText({ file, text }: MendedFile): void {
  const target = realpathSync(file.path);
  const bytes = readFileSync(target);
  const before = decode(bytes, file).file?.text ?? '';
  const mark = bytes.length === Buffer.byteLength(before) ? '' : UTF8_MARK;
  if (before !== file.text || !Buffer.from(`${mark}${before}`).equals(bytes)) throw changed(file.path);
  const temporary = `${target}.hale-${process.pid}`;
  const { mode, uid, gid } = statSync(target);
  try {
    const descriptor = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      writeFileSync(descriptor, `${mark}${text}`);
      fchownSync(descriptor, uid, gid);
      fchmodSync(descriptor, mode & 0o7777);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, target);
    syncFolder(dirname(target));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw unwritable(file.path, error as Error);
  }
}

function changed(path: string): HaleError {
  return new HaleError({
    code: 'doctor_file_changed',
    kind: 'world',
    message: `${path}: was not mended: it is not what was looked at, because it has changed meanwhile or is no UTF-8`,
    remedy: 'run hale doctor --fix again; convert a file that is no UTF-8 first',
  });
}

function unwritable(path: string, error: Error): HaleError {
  return new HaleError({
    code: 'doctor_file_unwritable',
    kind: 'world',
    message: `${path}: cannot be written: ${error.message}`,
    remedy: 'run hale doctor --fix as somebody who may write it and its folder',
    cause: error,
  });
}
