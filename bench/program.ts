import { join } from 'node:path';
import { packageFolder } from '../src/drivers/program.ts';

/** The file of a child program of a bench, by its path below `bench` without the ending: the built one when this code is built. */
export function benchFile(path: string): string {
  const built = import.meta.filename.endsWith('.js');
  return join(packageFolder, built ? `build/bench/${path}.js` : `bench/${path}.ts`);
}
