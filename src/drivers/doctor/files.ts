/** Files and folders for hale doctor: whatever they hold, it is read within bounds or told of. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { NamedFile } from '../../core/doctor/gather.ts';
import { recognise } from '../../core/doctor/read/recognise.ts';
import type { Trouble } from '../../core/doctor/read/trouble.ts';
import { decode, FILE_BYTES_MAX, type FileName, isLeftover, notRead, type ReadText } from './decode.ts';

/** What was found for hale doctor to look at. */
export interface Found {
  files: NamedFile[];
  troubles: Trouble[];
  /** Files in folders whose names say nothing to hale, and that are no text. */
  passedOver: number;
}

/** `-` among the names. */
export const STANDARD_INPUT = '-';

/** Reads the files and folders called `names`; each file once, by whatever ways it is reached. */
export function readFiles(names: readonly string[]): Found {
  const search = new Search();
  // Files first: one that was named is told of, also where a folder around it was named too.
  const isFolder = (name: string): boolean =>
    name !== STANDARD_INPUT && typeof realPath(name) === 'string' && statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;
  for (const name of names.toSorted((a, b) => Number(isFolder(a)) - Number(isFolder(b)))) search.named(name);
  return search.found;
}

class Search {
  readonly found: Found = { files: [], troubles: [], passedOver: 0 };
  /** Real paths. */
  readonly #seen = new Set<string>();

  named(path: string): void {
    if (path === STANDARD_INPUT) return this.#take(readDescriptor(0, { path }), { isNamed: true });
    const real = realPath(path);
    if (typeof real !== 'string') return this.#take(unreadable(path, real), { isNamed: true });
    if (this.#seen.has(real)) return;
    this.#seen.add(real);
    if (statSync(real, { throwIfNoEntry: false })?.isDirectory()) this.#walk(path);
    else this.#take(readFile(path), { isNamed: true });
  }

  /** Hidden entries are those of version control, editors, and of ConfigMaps as they are mounted. */
  #walk(folder: string): void {
    let entries;
    try {
      entries = readdirSync(folder, { withFileTypes: true });
    } catch (error) {
      return this.#take(unreadable(folder, error as NodeJS.ErrnoException), { isNamed: true });
    }
    for (const { name } of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (!name.startsWith('.') && name !== 'node_modules') this.#entry(join(folder, name));
    }
  }

  #entry(path: string): void {
    const real = realPath(path);
    if (typeof real !== 'string') return this.#take(unreadable(path, real), { isNamed: false });
    if (this.#seen.has(real)) return;
    this.#seen.add(real);
    const stat = statSync(real, { throwIfNoEntry: false });
    if (stat?.isDirectory()) this.#walk(path);
    // So a unit is masked (systemctl(1)).
    else if (real === '/dev/null' || isLeftover(path)) this.found.passedOver++;
    else this.#take(readFile(path), { isNamed: false });
  }

  #take({ file, troubles }: ReadText, { isNamed }: { isNamed: boolean }): void {
    const path = troubles[0]?.at.file.path ?? '';
    if (file === undefined && !isNamed && recognise({ path, text: '' }) === 'unknown') {
      this.found.passedOver++;
      return;
    }
    this.found.troubles.push(...troubles);
    if (file !== undefined) this.found.files.push({ file, isNamed });
  }
}

function realPath(path: string): string | NodeJS.ErrnoException {
  try {
    return realpathSync.native(path);
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

function readFile(path: string): ReadText {
  let descriptor: number | undefined;
  try {
    // Opening a FIFO waits for a writer, and opening a device can do anything.
    const stat = statSync(path);
    if (!stat.isFile()) return special(path);
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    return readDescriptor(descriptor, nameOf(path));
  } catch (error) {
    return unreadable(path, error as NodeJS.ErrnoException);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Up to the limit. What is larger is told of without being read, where its size is known. */
function readDescriptor(descriptor: number, name: FileName): ReadText {
  const { size } = fstatSync(descriptor);
  if (size > FILE_BYTES_MAX) return large(name, `it has ${Math.round(size / 2 ** 20)} MiB`);
  const parts: Buffer[] = [];
  for (let bytes = 0; bytes <= FILE_BYTES_MAX; ) {
    const part = Buffer.allocUnsafe(Math.max(4096, size + 1 - bytes));
    const read = readSync(descriptor, part);
    if (read === 0) return decode(Buffer.concat(parts), name);
    parts.push(part.subarray(0, read));
    bytes += read;
  }
  return large(name, `it has more than ${FILE_BYTES_MAX / 2 ** 20} MiB`);
}

const large = (name: FileName, detail: string): ReadText => notRead(name, { kind: 'large', detail });
const special = (path: string): ReadText => notRead({ path }, { kind: 'special', detail: '' });

function unreadable(path: string, { code, message }: NodeJS.ErrnoException): ReadText {
  const detail = REASONS[code ?? ''] ?? message;
  return notRead({ path }, { kind: 'unreadable', detail });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file, or the symbolic link leads nowhere',
  EACCES: 'permission was denied',
  ELOOP: 'its symbolic links lead in a circle',
};

/** In a tree such as DIR/cp1/etc/… the host is the folder that stands for its root. */
function nameOf(path: string): FileName {
  const host = /(?:^|\/)([^/]+)\/(?:etc|var\/lib)\//.exec(path)?.[1];
  return host === undefined || /^\.+$/.test(host) ? { path } : { path, host };
}
