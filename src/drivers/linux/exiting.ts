import { readdirSync, readFileSync } from 'node:fs';

/** include/linux/sched.h: set at the beginning of do_exit, before a thread gives anything back. */
const PF_EXITING = 0x4;

/** Whether no thread of the process will run another instruction: each has ended, or has begun to (flags in proc_pid_stat(5), field 9). */
export function isExiting(pid: number): boolean {
  const folder = `/proc/${pid}/task`;
  return (unlessGone(() => readdirSync(folder)) ?? []).every((thread) => {
    const stat = unlessGone(() => readFileSync(`${folder}/${thread}/stat`, 'utf8'));
    // The command in field 2 may hold spaces and parentheses, so count from its last one: field 3 is next.
    return stat === undefined || (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[6]) & PF_EXITING) !== 0;
  });
}

function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code as string)) return undefined;
    throw error;
  }
}
