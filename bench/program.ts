import { join } from 'node:path';
import { HaleError } from '../src/base/error.ts';
import { packageFolder } from '../src/drivers/program.ts';
import { findProgram } from '../src/lab/find-program.ts';

/** The file of a child program of a bench, by its path below `bench` without the ending: the built one when this code is built. */
export function benchFile(path: string): string {
  const built = import.meta.filename.endsWith('.js');
  return join(packageFolder, built ? `build/bench/${path}.js` : `bench/${path}.ts`);
}

/** The path of a program that hale is compared with, or that makes load. Throws HaleError `bench_peer_not_found`. */
export function requireProgram(name: string, debianPackage = name): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  throw new HaleError({
    code: 'bench_peer_not_found',
    kind: 'world',
    message: `the program ${name} is not installed`,
    remedy: `apt-get install ${debianPackage}`,
  });
}
