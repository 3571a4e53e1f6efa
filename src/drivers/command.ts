/* Other programs: run without a shell, within a deadline, in a process group of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { printable } from '../base/printable.ts';

/** Of each stream. Of one that is longer, the end is kept. */
const CHARS_MAX = 65_536;
const REASON_CHARS_MAX = 300;

export interface CommandOptions {
  /** Everything that runs in the command's process group is killed then. */
  deadline: AbortSignal;
  env?: NodeJS.ProcessEnv;
  input?: string;
}

/** How it ended. `late`: not before the deadline; what it had said until then. `unstartable`: it never ran. */
export type CommandEnd =
  | { kind: 'ended'; status: number; stdout: string; stderr: string }
  | { kind: 'late'; stdout: string; stderr: string }
  | { kind: 'unstartable'; error: NodeJS.ErrnoException };

/** The status is 128 + the signal where one ended it, as in a shell. Never rejects. */
export function runCommand(argv: readonly string[], options: CommandOptions): Promise<CommandEnd> {
  const { deadline, env, input } = options;
  return new Promise((resolve) => {
    if (deadline.aborted) return resolve({ kind: 'late', stdout: '', stderr: '' });
    // A group of its own: what it starts is to be gone with it.
    const child = spawn(argv[0] as string, argv.slice(1), { detached: true, stdio: 'pipe', ...(env === undefined ? {} : { env }) });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => (said[name] = endOf(said[name] + text)));
    const late = (): void => {
      killGroup(child);
      // What has left the group may hold them open for ever.
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      resolve({ kind: 'late', ...said });
    };
    deadline.addEventListener('abort', late, { once: true });
    const settle = (end: CommandEnd): void => {
      deadline.removeEventListener('abort', late);
      resolve(end);
    };
    // It may end without reading its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
    child.on('error', (error) => settle({ kind: 'unstartable', error }));
    child.on('close', (code, signal) =>
      settle({ kind: 'ended', status: code ?? 128 + (constants.signals[signal ?? 'SIGKILL'] ?? 0), ...said }),
    );
  });
}

/** The last line that a program has said, for the reason of a failure; `status 1` where it has said nothing. */
export function lastWord({ stdout, stderr, status }: { stdout: string; stderr: string; status?: number }): string {
  const line = [...stdout.split('\n'), ...stderr.split('\n')].map((one) => printable(one).trim()).findLast((one) => one !== '');
  return line?.slice(0, REASON_CHARS_MAX) ?? (status === undefined ? 'without a word' : `status ${status}`);
}

/** The mark says that it is not all: what is cut never reads as a short answer. */
function endOf(text: string): string {
  return text.length > CHARS_MAX ? `…${text.slice(1 - CHARS_MAX)}` : text;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
