import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const HALE = join(import.meta.dirname, '../../hale');

export interface HaleRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs ./hale as a user does, and waits for its end. */
export function hale(args: readonly string[], options: { cwd?: string } = {}): Promise<HaleRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(HALE, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said.stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said.stderr += chunk));
    child.on('error', reject).on('close', (code) => resolve({ code, ...said }));
  });
}

/** Runs a command with --json that is expected to succeed, and reads its document. */
export async function haleJson<T>(args: readonly string[], options: { cwd?: string } = {}): Promise<T> {
  const { code, stdout, stderr } = await hale([...args, '--json'], options);
  if (code !== 0) throw new Error(`hale ${args.join(' ')} ended with ${code}: ${stderr}\n${stdout}`);
  return JSON.parse(stdout) as T;
}

/** Looks again until `wanted` is true of what `look` returns. */
export function until<T>(look: () => Promise<T> | T, wanted: (value: T) => boolean, what: string): Promise<T> {
  return untilWithin(20_000, { look, wanted, what });
}

/** The same with another patience, for programs that take their time on a busy machine. */
export async function untilWithin<T>(
  patienceMs: number,
  { look, wanted, what }: { look: () => Promise<T> | T; wanted: (value: T) => boolean; what: string },
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const value = await look();
    if (wanted(value)) return value;
    if (performance.now() > deadline) throw new Error(`not reached: ${what}; last seen: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
