/** Files of a rendering in a folder: what is there already, and putting them there. */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { HaleError } from '../base/error.ts';
import type { RenderedFile } from '../core/render/file.ts';

/** A file, and where in the folder it belongs. */
export type Placed = RenderedFile & { target: string };

export type State = 'missing' | 'same' | 'differs';

export function stateOf({ target, text, mode }: Placed): State {
  return attempt(target, () => {
    // Thousands of files that are not there yet: an error for each takes longer than to write it.
    const found = statSync(target, { throwIfNoEntry: false });
    if (found === undefined) return 'missing';
    return (found.mode & 0o777) === mode && readFileSync(target, 'utf8') === text ? 'same' : 'differs';
  });
}

/** Writes what is not there as it should be. */
export function replaceFiles(files: readonly (Placed & { state: State })[]): void {
  const folders = new Set(files.filter(({ state }) => state === 'missing').map(({ target }) => dirname(target)));
  for (const folder of folders) attempt(folder, () => mkdirSync(folder, { recursive: true }));
  const mask = process.umask(0);
  try {
    for (const file of files) if (file.state !== 'same') attempt(file.target, () => replaceFile(file));
  } finally {
    process.umask(mask);
  }
}

/** A new file: one that is there keeps its mode, and would be open to others for a moment. */
function replaceFile({ target, text, mode, state }: Placed & { state: State }): void {
  if (state === 'differs') rmSync(target, { force: true });
  writeFileSync(target, text, { mode, flag: 'wx' });
}

function attempt<T>(target: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unwritable(target, error as Error);
  }
}

function unwritable(target: string, error: Error): HaleError {
  return new HaleError({
    code: 'render_unwritable',
    kind: 'world',
    message: `${target}: cannot be written: ${error.message}`,
    remedy: 'choose another folder with --out, or mend its permissions',
    cause: error,
  });
}
