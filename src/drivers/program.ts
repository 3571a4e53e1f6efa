import { basename, dirname, join } from 'node:path';

/** Folder of this repository or package, above `src` and `build`. */
export const packageFolder = findPackageFolder(import.meta.dirname);
const built = import.meta.filename.endsWith('.js');

/** The file of a program or thread of our own, by its path below `src` without the ending: the built one when this code is built. */
export function programFile(path: string): string {
  return built ? join(packageFolder, 'build', `${path}.js`) : join(packageFolder, 'src', `${path}.ts`);
}

function findPackageFolder(folder: string): string {
  const name = basename(folder);
  return name === 'src' || name === 'build' ? dirname(folder) : findPackageFolder(dirname(folder));
}
