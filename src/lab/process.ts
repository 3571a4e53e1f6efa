import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../base/error.ts';

/** A process that cannot be mistaken for a later one with the same number: proc_pid_stat(5) field 22, and the boot it belongs to. */
export interface ProcessIdentity {
  pid: number;
  startTicks: string;
  bootId: string;
}

export type SignalName = 'KILL' | 'STOP' | 'CONT' | 'TERM';

export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat && { pid, startTicks: stat.startTicks, bootId: bootId() };
}

/** Whether this very process is still there. A zombie is not: all it held is gone. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = readStat(identity.pid);
  return stat !== undefined && stat.state !== 'Z' && stat.startTicks === identity.startTicks && identity.bootId === bootId();
}

/** Sends SIGKILL to this very process (or, when it leads one, its whole group) and waits until it is gone. Harmless when it is already. */
export async function endProcess(identity: ProcessIdentity, target: 'process' | 'group'): Promise<void> {
  if (!isAlive(identity)) return;
  sendSignal(target === 'group' ? -identity.pid : identity.pid, 'KILL');
  for (let waitedMs = 0; isAlive(identity); waitedMs += 5) {
    if (waitedMs > 10_000) {
      throw new HaleError({
        code: 'lab_process_stuck',
        kind: 'world',
        message: `process ${identity.pid} has not ended 10 s after SIGKILL`,
        remedy: `look at /proc/${identity.pid}/stack, then run the command again`,
      });
    }
    await sleep(5);
  }
}

/** False when the process has ended in the meantime. */
export function sendSignal(pid: number, signal: SignalName): boolean {
  try {
    process.kill(pid, `SIG${signal}`);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

export interface NamespaceProcess {
  /** In this process's namespace. */
  pid: number;
  /** In its own namespace: 1 is the init. */
  innerPid: number;
  state: string;
}

/** The living processes in the PID namespace of `init`. */
export function processesOf(init: ProcessIdentity): NamespaceProcess[] {
  const namespace = pidNamespace(init.pid);
  if (namespace === undefined || !isAlive(init)) return [];
  const found: NamespaceProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pidNamespace(pid) !== namespace) continue;
    const innerPid = /^NSpid:.*\s(\d+)$/m.exec(readProc(pid, 'status') ?? '')?.[1];
    const stat = readStat(pid);
    if (innerPid === undefined || stat === undefined || stat.state === 'Z') continue;
    found.push({ pid, innerPid: Number(innerPid), state: stat.state });
  }
  return found;
}

function pidNamespace(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    // It has ended, or belongs to somebody else.
    return undefined;
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}

function readStat(pid: number): { state: string; startTicks: string } | undefined {
  const text = readProc(pid, 'stat');
  if (text === undefined) return undefined;
  // The command in field 2 may hold spaces and parentheses, so count from its last one: field 3 is next.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] as string, startTicks: fields[19] as string };
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
