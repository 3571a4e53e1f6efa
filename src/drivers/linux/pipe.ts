import { closeSync } from 'node:fs';
import * as libc from './libc.ts';

const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
/** Above the descriptors that a program opens at its start. */
const HIGH_FD = 64;

export type PipeOpened = { ok: true; readFd: number; writeFd: number } | { ok: false; reason: string };

/**
 * A pipe with blocking ends, which children get only when they are given one. The write end has a high number: a process that dies closes
 * its descriptors from the highest down (kernel/task_work.c runs the last entry first), and those it opened first may take long, a packet
 * socket for example an RCU grace period of 20 ms.
 */
export function openPipe(): PipeOpened {
  const ends = new Int32Array(2);
  if (libc.pipe2(ends, O_CLOEXEC) !== 0) return { ok: false, reason: `pipe: ${libc.errnoName(libc.lastErrno())}` };
  const [readFd, writeFd] = ends as unknown as [number, number];
  const highFd = libc.fcntl(writeFd, F_DUPFD_CLOEXEC, HIGH_FD);
  // Refused where the limit of descriptors is low: the end of the pipe is then seen later.
  if (highFd < 0) return { ok: true, readFd, writeFd };
  closeSync(writeFd);
  return { ok: true, readFd, writeFd: highFd };
}
