import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HaleError } from '../base/error.ts';
import { sendSignal } from './process.ts';

export interface CommandResult {
  /** Exit status; 128 + signal number when a signal ended it, as in a shell. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  /** A stream is passed on as it comes. */
  input?: string | AsyncIterable<Uint8Array>;
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/** What processes in a lab see of the environment: nothing of the caller's own settings. */
export const CLEAN_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** Runs a program to its end. Rejects only when it cannot be started; a failing status is a value. */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    // Detached: Ctrl-C in the terminal reaches this process, which then cleans up, and not the commands it is in the middle of.
    const child = spawn(argv[0] as string, argv.slice(1), {
      detached: true,
      env: { ...CLEAN_ENVIRONMENT, ...options.env },
      stdio: 'pipe',
    });
    // The group, because nsenter has a child in the host.
    const abort = (): void => {
      if (child.pid !== undefined) sendSignal(-child.pid, 'KILL');
    };
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener('abort', abort, { once: true });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    // A program may end without reading its input.
    child.stdin.on('error', () => undefined);
    let broken: unknown;
    if (typeof options.input === 'object') {
      pipeline(Readable.from(options.input), child.stdin).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') broken = error;
      });
    } else child.stdin.end(options.input ?? '');
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (broken !== undefined) reject(broken as Error);
      options.signal?.removeEventListener('abort', abort);
      const status = code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0);
      resolve({ code: status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
  });
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** Like `run`, for commands that have to succeed: throws HaleError `lab_command_failed` with what the command said. */
export async function runOrFail(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await run(argv, options);
  options.signal?.throwIfAborted();
  if (result.code === 0) return result.stdout;
  throw new HaleError({
    code: 'lab_command_failed',
    kind: 'world',
    message: `${argv.join(' ')} ended with ${result.code}: ${(result.stderr || result.stdout).trim() || 'no output'}`,
  });
}

/** Waits for all, also when one fails, so that nothing is still being made while the failure is cleaned up. */
export async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
