import { closeSync } from 'node:fs';
import * as libc from './libc.ts';

const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;

export type PipeOpened = { ok: true; readFd: number; writeFd: number } | { ok: false; reason: string };

/** A pipe with blocking ends, which children get only when they are given one. */
export function openPipe(): PipeOpened {
  const ends = new Int32Array(2);
  if (libc.pipe2(ends, O_CLOEXEC) !== 0) return { ok: false, reason: `pipe: ${libc.errnoName(libc.lastErrno())}` };
  return { ok: true, readFd: ends[0] as number, writeFd: ends[1] as number };
}

/** Gives a descriptor another number, `to`, instead of what has that one, or the lowest that is free; returns it. Stays where it is when refused. */
export function renumber(fd: number, to?: number): number {
  const moved = to === undefined ? libc.fcntl(fd, F_DUPFD_CLOEXEC, 0) : libc.dup3(fd, to, O_CLOEXEC);
  if (moved < 0) return fd;
  closeSync(fd);
  return moved;
}
