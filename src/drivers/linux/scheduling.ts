import { readdirSync } from 'node:fs';
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';

const SCHED_FIFO = 1;
/** Children and later threads start in the normal class, so that a helper process cannot starve the host (sched(7)). */
const SCHED_RESET_ON_FORK = 0x4000_0000;

/** Puts the calling (main) thread into the real-time class, priority 1 to 99. Declines with the kernel's reason, EPERM without CAP_SYS_NICE. */
export function becomeRealtime(priority: number): Effect {
  if (libc.schedSetscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, Int32Array.of(priority)) === 0) return done;
  return { ok: false, reason: `SCHED_FIFO ${priority}: ${libc.errnoName(libc.lastErrno())}` };
}

/** Puts every thread of another process into the real-time class, where that is allowed. Harmless when the process is gone. */
export function lendPriority(pid: number, priority: number): void {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) libc.schedSetscheduler(Number(thread), SCHED_FIFO, Int32Array.of(priority));
  } catch {
    // It is gone.
  }
}
