import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HaleError } from '../base/error.ts';
import { printable } from '../base/printable.ts';

const DEFAULT_PREFIX = '/var/tmp/hale-lab-';

/**
 * Where labs live: `$HALE_LAB_DIR`, else /var/tmp/hale-lab-UID. On disk, because every etcd member preallocates 123 MB, which a
 * tmpfs such as /run often lacks; and outside /run and /var/lib, so that a path in it means the same inside the hosts.
 */
export function labsFolder(): string {
  return resolve(process.env['HALE_LAB_DIR'] || `${DEFAULT_PREFIX}${process.getuid?.() ?? 0}`);
}

export function labFolder(name: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(name)) {
    throw new HaleError({
      code: 'lab_name_invalid',
      kind: 'usage',
      message: `lab name ${JSON.stringify(name)} is not a DNS label of at most 32 characters`,
      remedy: 'use lower-case letters, digits and inner hyphens, for example "demo"',
    });
  }
  return join(labsFolder(), name);
}

/** Creates the folder of a new lab, and refuses to share it with another lab or, under /var/tmp, anything with another user. */
export function createLabFolder(name: string): string {
  const folder = labFolder(name);
  const base = dirname(folder);
  mkdirSync(base, { recursive: true, mode: 0o700 });
  const owner = lstatSync(base);
  if (!owner.isDirectory() || owner.uid !== process.getuid?.()) {
    throw new HaleError({
      code: 'lab_folder_foreign',
      kind: 'world',
      message: `${base} is not a folder of this user`,
      remedy: 'set HALE_LAB_DIR to a folder of your own',
    });
  }
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new HaleError({
      code: 'lab_exists',
      kind: 'usage',
      message: `lab ${JSON.stringify(name)} exists already (${folder})`,
      remedy: `take it down with \`hale lab down --name ${name}\`, or choose another name`,
    });
  }
  return folder;
}

/** Removes a lab's folder, and the default folder above it when that was the last lab. */
export function removeLabFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const base = dirname(folder);
  if (!base.startsWith(DEFAULT_PREFIX)) return;
  try {
    rmdirSync(base);
  } catch (error) {
    // Another lab lives there, or somebody removed it first.
    if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Names of the folders that hold a lab, whole or half-made. */
export function labNames(): string[] {
  try {
    return readdirSync(labsFolder(), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Replaces a JSON file in one step, so that a reader never sees half of it. */
export function writeJson(path: string, value: unknown): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** The value of a JSON file that this program wrote, or undefined when there is none. Throws HaleError `lab_file_broken`. */
export function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    throw new HaleError({
      code: 'lab_file_broken',
      kind: 'world',
      message: `${path} is not what the lab wrote: ${printable(error.message)}`,
      remedy: 'end the processes of that lab, remove its folder, and make it anew with `hale lab up`',
      cause: error,
    });
  }
}

/** Writes a file with exactly this mode, whatever the umask. */
export function writePlain(path: string, options: { text: string; mode: number }): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, options.text, { mode: options.mode });
  chmodSync(path, options.mode);
}

/** The text of a file; empty when it cannot be read. */
export function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
