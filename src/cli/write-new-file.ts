import { writeFileSync } from 'node:fs';
import { HaleError } from '../base/error.ts';

/** Writes what the user wants to have in `file`, and over a file that is there only with `force`. */
export function writeNewFile(file: string, { text, force }: { text: string; force: true | undefined }): void {
  try {
    writeFileSync(file, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new HaleError({
      code: 'output_unwritable',
      kind: 'usage',
      message: `${file}: ${exists ? 'is there already' : `cannot be written: ${(error as Error).message}`}`,
      remedy: exists ? 'name another file, or overwrite it with --force' : 'name another file',
      cause: error,
    });
  }
}
