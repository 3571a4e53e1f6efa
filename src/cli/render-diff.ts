import { readFileSync, statSync } from 'node:fs';
import { createTwoFilesPatch } from 'diff';
import type { Placed, State } from './render-tree.ts';

/** How a file differs from the one in the folder, as a unified diff. Of what is secret, only that it does. */
export function differencesText({ target, text, mode, state }: Placed & { state: State }): string {
  const old = state === 'missing' ? '' : readFileSync(target, 'utf8');
  const oldMode = state === 'missing' ? undefined : statSync(target).mode & 0o777;
  const modes = oldMode === undefined || oldMode === mode ? '' : `${target}: mode 0${oldMode.toString(8)} would be 0${mode.toString(8)}\n`;
  if (old === text && state !== 'missing') return modes;
  if ((mode & 0o077) === 0 || (oldMode !== undefined && (oldMode & 0o077) === 0))
    return `${modes}${target}: ${state === 'missing' ? 'is not there' : 'differs'}; it is secret, so not shown\n`;
  return `${modes}${createTwoFilesPatch(state === 'missing' ? '/dev/null' : target, target, old, text, undefined, undefined, { headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true } })}`;
}
