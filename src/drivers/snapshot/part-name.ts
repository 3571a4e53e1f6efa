import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/*
 * A snapshot that is being written is called `NAME.PID-START-PLACE.part`: the process that writes it, when that began (in ticks since boot, so that a number that was
 * given away again is not taken for it), and which boot and namespace of processes these numbers belong to, because several hosts can share a folder.
 */

const PART = /^(.+)\.(\d+)-(\d+)-([0-9a-f]{8})\.part$/;
/** A process elsewhere cannot be looked at; one that lives writes all the time. */
const QUIET_ELSEWHERE_MS = 60 * 60 * 1000;

export function partName(name: string): string {
  return `${name}.${process.pid}-${startOf(process.pid)}-${here()}.part`;
}

/** The name that a part is written for; undefined for any other file. */
export function nameOfPart(file: string): string | undefined {
  return PART.exec(file)?.[1];
}

/** Whether the process that wrote the part is gone. `quietMs`: since its last write. */
export function isAbandoned(file: string, quietMs: number): boolean {
  const [, , pid, start, place] = PART.exec(file) ?? [];
  if (pid === undefined) return false;
  return place === here() ? startOf(Number(pid)) !== start : quietMs > QUIET_ELSEWHERE_MS;
}

function here(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return createHash('sha256')
    .update(`${boot} ${readlinkSync('/proc/self/ns/pid')}`)
    .digest('hex')
    .slice(0, 8);
}

/** Undefined when there is no such process (proc_pid_stat(5), field 22; the name before it can hold anything). */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
