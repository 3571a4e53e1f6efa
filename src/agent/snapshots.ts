import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { packageFolder } from '../drivers/program.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Metrics } from './metrics.ts';

/** What `hale etcd snapshot save --if-due --json` says of the schedule. */
export interface SnapshotTurn {
  /** Whether one was taken. */
  saved: boolean;
  /** Of the newest that the cluster knows (Unix time). */
  newestAtMs: number;
  /** Unix time. */
  dueAtMs: number;
}

export interface SnapshotScheduleOptions {
  clock: Clock;
  log: Log;
  metrics: Pick<Metrics, 'snapshotNewest' | 'snapshots' | 'snapshotFailures'>;
  /** Takes a snapshot if one is due. */
  take: (signal: AbortSignal) => Promise<SnapshotTurn>;
}

/** A tenure that ends at once shall cost no snapshot. */
const SETTLE_MS = 10_000;
const RETRY_MS = 60_000;
/** No clock is trusted for longer: the newest may have been lost with etcd. */
const LOOK_AT_LEAST_MS = 3_600_000;

/**
 * Has snapshots taken while this host holds the address: of all hosts one is active, whichever that is, and etcd itself remembers when the last one was.
 * Each is a process of its own, so that neither its memory nor its faults are the agent's.
 */
export class SnapshotSchedule {
  readonly #options: SnapshotScheduleOptions;
  #timer: Timer | undefined;
  #running: AbortController | undefined;
  #isHolding = false;

  constructor(options: SnapshotScheduleOptions) {
    this.#options = options;
  }

  setHolding(isHolding: boolean): void {
    if (isHolding === this.#isHolding) return;
    this.#isHolding = isHolding;
    this.#timer?.cancel();
    // One that is under way is finished: it is as good as any other's.
    if (isHolding && this.#running === undefined) this.#later(SETTLE_MS);
  }

  /** Ends one that is under way; it leaves nothing behind. */
  stop(): void {
    this.setHolding(false);
    this.#running?.abort();
  }

  #later(delayMs: number): void {
    const { clock } = this.#options;
    if (this.#isHolding) this.#timer = clock.at(clock.now() + delayMs, () => void this.#turn());
  }

  async #turn(): Promise<void> {
    const { take, log, metrics } = this.#options;
    const running = new AbortController();
    this.#running = running;
    let delayMs = RETRY_MS;
    try {
      const { saved, newestAtMs, dueAtMs } = await take(running.signal);
      metrics.snapshotNewest.set(newestAtMs / 1000);
      if (saved) metrics.snapshots.inc();
      log.info({ saved, newest: new Date(newestAtMs).toISOString() }, saved ? 'snapshot of etcd taken' : 'no snapshot of etcd is due');
      delayMs = Math.min(LOOK_AT_LEAST_MS, Math.max(0, dueAtMs - Date.now()));
    } catch (error) {
      if (!running.signal.aborted) {
        metrics.snapshotFailures.inc();
        log.error({ reason: (error as Error).message }, 'no snapshot of etcd could be taken');
      }
    }
    this.#running = undefined;
    this.#later(delayMs);
  }
}

/** How long one may take: a database is 8 GiB at most. */
const TAKE_TIMEOUT_MS = 3_600_000;

/** Runs the command line that a person would, on the description that this agent has. */
export function takeByCommand(config: string): SnapshotScheduleOptions['take'] {
  const argv = ['etcd', 'snapshot', 'save', '--config', config, '--if-due', '--prune', '--json'];
  return (signal) =>
    new Promise((resolve, reject) => {
      execFile(join(packageFolder, 'hale'), argv, { signal, timeout: TAKE_TIMEOUT_MS, killSignal: 'SIGTERM' }, (error, stdout, stderr) => {
        if (error === null) resolve((JSON.parse(stdout) as { schedule: SnapshotTurn }).schedule);
        else reject(new Error(lastLine(stderr) ?? error.message, { cause: error }));
      });
    });
}

/** What hale says of a failure is one line and its remedy, indented. */
function lastLine(stderr: string): string | undefined {
  return stderr
    .split('\n')
    .findLast((line) => line.startsWith('hale: '))
    ?.slice('hale: '.length);
}
