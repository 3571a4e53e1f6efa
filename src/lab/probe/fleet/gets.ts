import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestRecord } from '../../../core/drill/record.ts';
import { ApiConnection, type ApiTarget } from './connection.ts';
import { pathOf } from './objects.ts';

interface GetLoopOptions {
  target: ApiTarget;
  everyMs: number;
  now: () => number;
}

/** Like `kubectl get` in a loop: one small object over a new connection each time, and the next not before the last has ended. */
export class GetLoop {
  readonly records: RequestRecord[] = [];
  readonly #options: GetLoopOptions;
  readonly #stopping = new AbortController();
  #connection: ApiConnection | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: GetLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#work = this.#run();
  }

  /** The request under way may end, until `signal` aborts. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping.abort();
    signal.addEventListener('abort', () => this.#connection?.close(), { once: true });
    await this.#work;
  }

  async #run(): Promise<void> {
    const { now, everyMs, target } = this.#options;
    while (!this.#stopping.signal.aborted) {
      const startMs = now();
      this.#connection = new ApiConnection(target, now);
      const outcome = await this.#connection.request('GET', pathOf(0)).then(
        ({ status }) => (status === 200 ? { ok: true } : { ok: false, error: `status ${status}` }),
        (error: Error) => ({ ok: false, error: error.message }),
      );
      this.#connection.close();
      this.records.push({ startMs, endMs: now(), ...outcome });
      await sleep(Math.max(0, startMs + everyMs - now()), undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }
}
