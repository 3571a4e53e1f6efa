import { openLock } from '../../drivers/linux/lock.ts';
import type { GuardianLog } from './log.ts';
import { pause } from './pause.ts';

const LOOK_AGAIN_MS = 2;
/** An earlier guardian needs milliseconds, and a few seconds where the kernel refuses it. */
const PATIENCE_MS = 1000;

/**
 * Waits until the guardian of an earlier run has ended, so that it cannot take away what the new run puts up. One that was stopped, or is
 * stuck, is ended: that is always safe, as the lease then runs out. Declines when even that did not help.
 */
export function takeOver(lockPath: string, log: GuardianLog): boolean {
  const lock = openLock(lockPath);
  const takeWithin = (ms: number): boolean => {
    for (const until = performance.now() + ms; ; pause(LOOK_AGAIN_MS)) {
      if (lock.take()) return true;
      if (performance.now() > until) return false;
    }
  };
  if (takeWithin(PATIENCE_MS)) return true;
  const pid = lock.owner();
  log.warn({ pid }, 'the guardian of an earlier run does not end by itself');
  try {
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended at last.
  }
  if (takeWithin(PATIENCE_MS)) return true;
  log.error({ lock: lockPath }, 'another guardian keeps its lock');
  return false;
}
