import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageFolder } from '../../drivers/program.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';

const RESTART_MIN_MS = 1000;
const RESTART_MAX_MS = 60_000;
/** A run that lasted so long was a good one. */
const GOOD_MS = 300_000;

export interface HealChildOptions {
  clock: Clock;
  log: Log;
  /** The cluster description. */
  file: string;
  logLevel: string;
}

/** Keeps `hale heal run` running beside the agent: a process of its own, so that neither its memory nor its faults are the agent's. It ends when its standard input does, so also when the agent dies. */
export class HealChild {
  readonly #options: HealChildOptions;
  #child: ChildProcess | undefined;
  #timer: Timer | undefined;
  #delayMs = RESTART_MIN_MS;
  #stopped = false;

  constructor(options: HealChildOptions) {
    this.#options = options;
    this.#start();
  }

  /** Has it let go of its Lease; returns when it has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  #start(): void {
    const { clock, file, logLevel } = this.#options;
    const startedAt = clock.now();
    const argv = ['heal', 'run', '--config', file, '--log-level', logLevel, '--until-eof'];
    const child = spawn(join(packageFolder, 'hale'), argv, { stdio: ['pipe', 'ignore', 'inherit'] });
    this.#child = child;
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => this.#ended(startedAt, error.message));
    child.on('exit', (code, signal) => this.#ended(startedAt, signal ?? `status ${code}`));
  }

  #ended(startedAt: number, how: string): void {
    const { clock, log } = this.#options;
    if (this.#child === undefined) return;
    this.#child = undefined;
    if (this.#stopped) return;
    if (clock.now() - startedAt >= GOOD_MS) this.#delayMs = RESTART_MIN_MS;
    log.error({ how, againInMs: this.#delayMs }, 'hale heal run ended; it is started again');
    this.#timer = clock.at(clock.now() + this.#delayMs, () => this.#start());
    this.#delayMs = Math.min(RESTART_MAX_MS, this.#delayMs * 2);
  }
}
