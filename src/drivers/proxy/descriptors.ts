import { readFileSync } from 'node:fs';

/** What the rest of the agent may need: its own sockets, netlink, the control socket, and the files of Node. */
const KEPT = 256;
/** A client and its backend. */
const FOR_EACH_CONNECTION = 2;

/** Connections that the limit of open files (RLIMIT_NOFILE) has room for, at least 1. Node raises the soft limit to the hard one at its start. */
export function connectionsWithin(openFiles: number): number {
  return Math.max(1, Math.floor((openFiles - KEPT) / FOR_EACH_CONNECTION));
}

/** The soft limit of this process, proc(5); infinite when there is none. */
export function openFilesLimit(): number {
  const soft = /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
