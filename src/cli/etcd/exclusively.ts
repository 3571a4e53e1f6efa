import { hostname } from 'node:os';
import type { OperationRecord } from '../../core/etcd/operation.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { type HeldOperation, withOperationLock } from '../../engine/etcd/operation-lock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';

/** Does `work` under the lock over operations, as this process; waits for the lock of a process of this host that is gone. */
export async function exclusively<T>(
  options: { etcd: EtcdAdmin; what: string; signal: AbortSignal; underAlarm?: 'refuse' | 'work' },
  work: (held: HeldOperation) => Promise<T>,
): Promise<T> {
  const who = { host: hostname(), pid: process.pid, since: new Date().toISOString() };
  return await withOperationLock({ ...options, clock: boottime, who, waitFor: isGone }, work);
}

function isGone({ host, pid }: OperationRecord): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
