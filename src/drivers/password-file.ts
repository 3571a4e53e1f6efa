import { readFileSync } from 'node:fs';
import { HaleError } from '../base/error.ts';
import { isOpenToOthers } from './owner-only.ts';

/**
 * The password in a file, without the line break at its end. `key` is where cluster.yaml names the file, `most` the bytes that a password
 * has at most. Throws HaleError `password_file_unusable`, which never shows it.
 */
export function readPasswordFile(path: string, { key, most }: { key: string; most: number }): string {
  const fail = (why: string, remedy: string, cause?: unknown) =>
    new HaleError({ code: 'password_file_unusable', kind: 'usage', message: `${key}: ${path} ${why}`, remedy, cause });
  let text: string;
  try {
    if (isOpenToOthers(path)) throw fail('can be read by others than its owner', `chmod 600 ${path}`);
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    if (error instanceof HaleError) throw error;
    throw fail(`cannot be read: ${(error as Error).message}`, `write the password into it, and: chmod 600 ${path}`, error);
  }
  if (text === '') throw fail('is empty', `write the password into it, or remove ${key}`);
  if (!/^[ -~]+$/.test(text))
    throw fail('has other signs than printable ASCII', 'choose a password without them, here and on the other side');
  if (text.length > most)
    throw fail(`has ${text.length} bytes, but a password has at most ${most} here`, 'shorten it here and on the other side');
  return text;
}
