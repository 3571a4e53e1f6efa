/** An archive that the kernel unpacks as its first root file system (Documentation/driver-api/early-userspace/buffer-format.rst, "newc"). */
import { dirname } from 'node:path';

export interface ArchivedFile {
  /** Absolute. */
  path: string;
  content: Uint8Array;
  executable: boolean;
}

const DIRECTORY = 0o040755;
const FILE = 0o100644;
const EXECUTABLE = 0o100755;

/** The folders that the files are in need not be listed. */
export function cpio(files: readonly ArchivedFile[], emptyFolders: readonly string[]): Buffer {
  const folders = new Set([...emptyFolders, ...files.map((file) => dirname(file.path))].flatMap(withParents));
  const parts = [...folders].toSorted().map((path, i) => entry({ path, content: new Uint8Array(0), mode: DIRECTORY, inode: i + 1 }));
  for (const { path, content, executable } of files) {
    parts.push(entry({ path, content, mode: executable ? EXECUTABLE : FILE, inode: parts.length + 1 }));
  }
  return Buffer.concat([...parts, entry({ path: '/TRAILER!!!', content: new Uint8Array(0), mode: 0, inode: 0 })]);
}

function withParents(folder: string): string[] {
  return folder === '/' ? [] : [...withParents(dirname(folder)), folder];
}

function entry({ path, content, mode, inode }: { path: string; content: Uint8Array; mode: number; inode: number }): Buffer {
  const name = Buffer.from(`${path.slice(1)}\0`);
  const [user, group, links, time] = [0, 0, 1, 0];
  const device = [0, 0, 0, 0];
  const numbers = [inode, mode, user, group, links, time, content.length, ...device, name.length, 0];
  const header = `070701${numbers.map((n) => n.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), name])), padded(content)]);
}

function padded(bytes: Uint8Array): Uint8Array {
  const missing = -bytes.length & 3;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
