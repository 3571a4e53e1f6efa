import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { done, type Effect } from '../../ports/effect.ts';

/** Sets a kernel parameter, given as a path below /proc/sys; `restore` puts the former value back. */
export function overrideSysctl(path: string, value: string): { ok: true; restore: () => Effect } | Extract<Effect, { ok: false }> {
  const file = join('/proc/sys', path);
  const attempt = (act: () => void): Effect => {
    try {
      act();
      return done;
    } catch (error) {
      return { ok: false, reason: `${path.replaceAll('/', '.')}: ${(error as Error).message}` };
    }
  };
  let before = value;
  const set = attempt(() => {
    before = readFileSync(file, 'utf8').trim();
    if (before !== value) writeFileSync(file, value);
  });
  if (!set.ok) return set;
  return { ok: true, restore: () => (before === value ? done : attempt(() => writeFileSync(file, before))) };
}
