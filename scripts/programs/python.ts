import { spawn } from 'node:child_process';
import { findProgram } from '../../src/lab/find-program.ts';

/** Runs the machine's Python, with the caller's settings of pip. Throws when there is none, or it fails, with the end of what it said. */
export async function runPython(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  const python = findProgram('python3');
  if (python === undefined) throw new Error('no Python was found (the program python3)');
  const child = spawn(python, argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2000)));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`python3 ${argv.slice(0, 3).join(' ')} failed: ${complaint.trim()}`);
}
