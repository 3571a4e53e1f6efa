import { constants, openSync, readFileSync, writeSync } from 'node:fs';
import * as libc from './libc.ts';

/** A lock of this host that ends with the process that has it (flock(2)). */
export interface ProcessLock {
  /** Whether this process has the lock now; notes this process in the file for whoever wants the lock next. */
  take(): boolean;
  /** The process that has the lock; undefined when nobody has noted itself. */
  owner(): number | undefined;
}

export function openLock(path: string): ProcessLock {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  return {
    take() {
      if (libc.flock(fd, libc.LOCK_EX | libc.LOCK_NB) !== 0) return false;
      writeSync(fd, `${process.pid}\n`.padEnd(12), 0);
      return true;
    },
    owner: () => Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined,
  };
}
