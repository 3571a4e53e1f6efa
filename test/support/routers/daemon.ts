import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LoggedProcess } from '../logged-process.ts';
import type { TestHost } from '../netns.ts';

const run = promisify(execFile);

/** A routing daemon in a namespace, with all its files in a temporary folder. */
export class Daemon {
  readonly folder: string;
  readonly #host: TestHost;
  readonly #processes: LoggedProcess[] = [];

  constructor(host: TestHost, name: string) {
    this.#host = host;
    this.folder = mkdtempSync(join(tmpdir(), `hale-test-${name}-`));
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.file(name), text);
    return this.file(name);
  }

  /** Ends with this process. Its /var/tmp, where FRR leaves folders, is its own. */
  start(...argv: string[]): void {
    const alone = 'mount -t tmpfs tmpfs /var/tmp && exec "$@"';
    const process = new LoggedProcess(['ip', 'netns', 'exec', this.#host.namespace, 'sh', '-c', alone, 'sh', ...argv], this.file('log'));
    process.start();
    this.#processes.push(process);
  }

  get log(): string {
    return existsSync(this.file('log')) ? readFileSync(this.file('log'), 'utf8') : '';
  }

  freeze(): void {
    for (const process of this.#processes) process.freeze();
  }

  resume(): void {
    for (const process of this.#processes) process.signal('SIGCONT');
  }

  /** What a program says that asks the daemon. */
  async ask(program: string, ...parameters: string[]): Promise<string> {
    return (await run(program, parameters, { encoding: 'utf8', maxBuffer: 100_000_000 })).stdout;
  }

  async ready(look: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
      if (await look().catch(() => false)) return;
      if (!this.#processes.every(({ running }) => running)) break;
    }
    const { log } = this;
    await this.remove();
    throw new Error(`the daemon is not ready:\n${log}`);
  }

  async kill(): Promise<void> {
    for (const process of this.#processes) await process.kill();
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
