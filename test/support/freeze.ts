import { readdirSync, readFileSync } from 'node:fs';

const LOOK_AGAIN_MS = 1;

/** SIGSTOP, and waits until it holds: a thread that runs on another core stops a moment later, and may answer until then. */
export function freeze(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  const word = new Int32Array(new SharedArrayBuffer(4));
  while (!readdirSync(`/proc/${pid}/task`).every((thread) => isStopped(`/proc/${pid}/task/${thread}/stat`))) {
    Atomics.wait(word, 0, 0, LOOK_AGAIN_MS);
  }
}

/** proc_pid_stat(5): the state follows the name, which ends with the last parenthesis. */
function isStopped(file: string): boolean {
  const stat = readFileSync(file, 'utf8');
  return stat[stat.lastIndexOf(')') + 2] === 'T';
}
