import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openPipe, renumber } from '../../drivers/linux/pipe.ts';
import { programFile } from '../../drivers/program.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { ARMED, READY, STAND_DOWN, type Will } from './will.ts';

/** As little memory as V8 lets: its one thread compiles and collects by itself, and there is next to nothing to collect. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--v8-pool-size=0', '--single-threaded', '--optimize-for-size'];
/** A guardian that dies at once is started anew after this long, and twice as long each time it happens again. */
const RESTART_MS = 100;
const RESTART_MS_MAX = 10_000;
/** One that lived this long did not die of its start. */
const LIVED_MS = 10_000;
/** How long the agent's start waits: for the program to start, and for an earlier run's guardian to end. */
const START_MS = 5000;

export interface GuardianOptions {
  /** File of the lock that says which guardian works on this host. */
  lockPath: string;
  /** Name of this host for the log. */
  host: string;
  clock: Clock;
  log: Log;
}

/** The agent's side of its guardian process: keeps one running, and gives it the will. */
export class Guardian {
  readonly #options: GuardianOptions;
  #will: string | undefined;
  #child: ChildProcess | undefined;
  /** The write end. Stays open when its guardian dies, to keep the number for the next one. */
  #pipe: number | undefined;
  #ready = false;
  #armed = false;
  #startedAt = 0;
  #deaths = 0;
  #restart: Timer | undefined;
  #standingDown = false;
  #onReady: () => void = () => {};

  private constructor(options: GuardianOptions) {
    this.#options = options;
  }

  /** Resolves when a guardian is ready, and with it the one of an earlier run gone; or, so that the agent runs in any case, after 5 s. */
  static async start(options: GuardianOptions): Promise<Guardian> {
    const guardian = new Guardian(options);
    const { clock, log } = options;
    await new Promise<void>((resolve) => {
      const timer = clock.at(clock.now() + START_MS, () => {
        log.warn({}, 'no guardian yet: should this agent die, the address moves only when its lease has ended');
        resolve();
      });
      guardian.#onReady = () => {
        timer.cancel();
        resolve();
      };
      guardian.#start();
    });
    return guardian;
  }

  /** Whether the address moves at once should this agent die. */
  get guarded(): boolean {
    return this.#armed;
  }

  /**
   * What is to be done at this agent's death, from now on. To be called when its packet sockets are open and no client is connected: a
   * dying process closes its descriptors from the highest number down (kernel/task_work.c runs the last entry first), and the pipe gets
   * the lowest that is free now. So connections are closed before it, while the address is here and clients can hear of it, and packet
   * sockets after it, which take an RCU grace period each.
   */
  arm(will: Omit<Will, 'agentPid'>): void {
    if (this.#will === undefined && this.#pipe !== undefined) this.#pipe = renumber(this.#pipe);
    this.#will = JSON.stringify({ agentPid: process.pid, ...will } satisfies Will);
    if (this.#ready) this.#write(this.#will);
  }

  /** Everything is withdrawn in order: there is nothing to do any more. */
  standDown(): void {
    this.#standingDown = true;
    this.#armed = false;
    this.#restart?.cancel();
    this.#write(STAND_DOWN);
  }

  #start(): void {
    const { lockPath, host, clock } = this.#options;
    this.#startedAt = clock.now();
    const pipe = openPipe();
    if (!pipe.ok) return this.#died(pipe.reason);
    this.#pipe = this.#pipe === undefined ? pipe.writeFd : renumber(pipe.writeFd, this.#pipe);
    const argv = [...NODE_FLAGS, programFile('agent/guardian/main'), lockPath, host];
    let child: ChildProcess;
    try {
      // A session of its own: neither a terminal's Ctrl-C nor its hang-up reaches the guardian.
      child = spawn(process.execPath, argv, { detached: true, stdio: [pipe.readFd, 'pipe', 'inherit'] });
    } catch (error) {
      // Out of memory, for example; the agent goes on.
      return this.#died((error as Error).message);
    } finally {
      closeSync(pipe.readFd);
    }
    this.#child = child;
    // A program that cannot be started has an error and no exit.
    child.once('error', (error) => this.#died(error.message));
    child.once('exit', (code, signal) => this.#died(`ended with ${signal ?? code}`));
    // There is none when descriptors have run out.
    if (child.stdout) createInterface(child.stdout).on('line', (word) => this.#hear(child, word));
  }

  #hear(child: ChildProcess, word: string): void {
    // Words may arrive later than the news of a death.
    if (child !== this.#child) return;
    if (word === ARMED) this.#armed = !this.#standingDown;
    if (word !== READY) return;
    this.#ready = true;
    if (this.#will !== undefined) this.#write(this.#will);
    this.#onReady();
  }

  #write(line: string): void {
    if (this.#pipe === undefined) return;
    try {
      writeSync(this.#pipe, `${line}\n`);
    } catch (error) {
      // Its end is heard of as well, and another one started.
      this.#options.log.debug({ error: (error as Error).message }, 'the guardian does not read');
    }
  }

  #died(how: string): void {
    if (this.#standingDown) return;
    const { clock, log } = this.#options;
    if (clock.now() - this.#startedAt >= LIVED_MS) this.#deaths = 0;
    this.#child = undefined;
    this.#ready = false;
    this.#armed = false;
    const againMs = Math.min(RESTART_MS_MAX, RESTART_MS * 2 ** this.#deaths++);
    log.warn({ how, againMs }, 'the guardian died; another is started');
    this.#restart = clock.at(clock.now() + againMs, () => this.#start());
  }
}
