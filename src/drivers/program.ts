import { basename, dirname, join } from 'node:path';

/** Folder of this repository or package, above `src` and `build`. */
export const packageFolder = findPackageFolder(import.meta.dirname);
/**
 * Flags of Node for every program that enters a real-time class. Garbage collection alone: V8's helper threads stay in the normal class, and a
 * main thread in SCHED_FIFO that spins while it waits for them keeps them from ever running on a busy core.
 */
export const REALTIME_NODE_FLAGS: readonly string[] = ['--single-threaded-gc'];
const built = import.meta.filename.endsWith('.js');

/** The file of a program or thread of our own, by its path below `src` without the ending: the built one when this code is built. */
export function programFile(path: string): string {
  return built ? join(packageFolder, 'build', `${path}.js`) : join(packageFolder, 'src', `${path}.ts`);
}

function findPackageFolder(folder: string): string {
  const name = basename(folder);
  return name === 'src' || name === 'build' ? dirname(folder) : findPackageFolder(dirname(folder));
}
