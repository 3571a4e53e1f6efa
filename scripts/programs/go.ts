import { spawn } from 'node:child_process';
import { findProgram } from '../../src/lab/find-program.ts';

/** Runs the machine's Go tool chain, without cgo; its progress goes to stdout. Throws when there is none, or it fails, with the end of what it said. */
export async function runGo(
  argv: readonly string[],
  options: { cwd?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const go = findProgram('go') ?? findProgram('go', ['/usr/local/go/bin']);
  if (go === undefined) throw new Error(`no Go tool chain was found to build ${argv.at(-1)} with (the program go)`);
  const env = { ...process.env, CGO_ENABLED: '0', ...options.env };
  // The kernel interrupts the tool chain when this process dies, however it does.
  const setpriv = findProgram('setpriv');
  const [program, ...rest] = [...(setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'INT']), go, ...argv] as [string, ...string[]];
  const child = spawn(program, rest, { cwd: options.cwd, env, stdio: ['ignore', 'inherit', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2000)));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`go ${argv[0]} ${argv.at(-1)} failed: ${complaint.trim()}`);
}
