import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { freeze } from './freeze.ts';

/** A process that the kernel ends with this one, also when this one is killed. */
export class LoggedProcess {
  readonly #argv: readonly string[];
  readonly #log: string;
  #child: ChildProcess | undefined;

  constructor(argv: readonly string[], log: string) {
    this.#argv = argv;
    this.#log = log;
  }

  start(): ChildProcess {
    const log = openSync(this.#log, 'a');
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', ...this.#argv], { stdio: ['ignore', log, log] });
    closeSync(log);
    return this.#child;
  }

  get running(): boolean {
    return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get logEnd(): string {
    return readFileSync(this.#log, 'utf8').slice(-2000);
  }

  signal(name: NodeJS.Signals): void {
    if (this.running) this.#child?.kill(name);
  }

  freeze(): void {
    if (this.running) freeze(this.#child?.pid as number);
  }

  async ended(): Promise<void> {
    if (this.running) await once(this.#child as ChildProcess, 'exit');
  }

  async kill(): Promise<void> {
    const ended = this.ended();
    this.signal('SIGKILL');
    await ended;
  }
}
