import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Effect } from '../../ports/effect.ts';

/** Sets a kernel parameter, given as a path below /proc/sys; `restore` puts the former value back. */
export function overrideSysctl(path: string, value: string): { ok: true; restore: () => void } | Extract<Effect, { ok: false }> {
  const file = join('/proc/sys', path);
  try {
    const before = readFileSync(file, 'utf8');
    if (before.trim() === value) return { ok: true, restore: () => {} };
    writeFileSync(file, value);
    return { ok: true, restore: () => writeFileSync(file, before) };
  } catch (error) {
    return { ok: false, reason: `${path.replaceAll('/', '.')}=${value}: ${(error as Error).message}` };
  }
}
