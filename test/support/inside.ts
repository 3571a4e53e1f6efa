import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { LabHost } from '../../src/lab/host.ts';

/** A program of this folder in a host of a lab that answers each line with a line. */
export class Inside {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(host: LabHost, program: string, args: readonly string[]) {
    const [file, ...rest] = host.command([process.execPath, join(import.meta.dirname, program), ...args]);
    this.#child = spawn(file as string, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
  }

  async ask(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return ((await once(this.#lines, 'line')) as [string])[0];
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, 'close');
  }
}
