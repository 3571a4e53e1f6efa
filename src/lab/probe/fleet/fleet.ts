/** Many clients of a kube-apiserver as client-go makes them, each on a connection of its own, and what they go through. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetRecord } from '../../../core/drill/fleet.ts';
import { ApiConnection, type ApiTarget } from './connection.ts';
import { GetLoop } from './gets.ts';
import { FLEET_NAMESPACE, type FleetOptions } from './options.ts';
import { reasonOf, Writer } from './writer.ts';
import { Watcher } from './watcher.ts';

/** Between two openings, so that the API servers see handshakes and not a storm of them. */
const RAMP_STEP_MS = 10;
const LOOK_AGAIN_MS = 50;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #now: () => number;
  readonly #target: ApiTarget;
  readonly #writers: readonly Writer[];
  readonly #watchers: readonly Watcher[];
  readonly #gets: GetLoop | undefined;

  constructor(options: FleetOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
    const [ca, cert, key] = [options.caFile, options.certFile, options.keyFile].map((file) => readFileSync(file));
    const secureContext = createSecureContext({ ca, cert, key });
    const target = { host: options.address, port: options.port, servername: options.serverName, secureContext };
    this.#target = target;
    const everyMs = 1000 / options.writesPerSecond;
    this.#writers = Array.from({ length: options.writers }, (_, writer) => new Writer({ writer, target, now, everyMs }));
    this.#watchers = Array.from({ length: options.watchers }, () => new Watcher({ writers: options.writers, target, now }));
    if (options.getEveryMs !== null) this.#gets = new GetLoop({ target, everyMs: options.getEveryMs, now });
  }

  /** Resolves when every watch is answered and the writers write. Rejects when the API refuses. */
  async start(): Promise<void> {
    await this.#createNamespace();
    await Promise.all(this.#writers.map((writer, i) => sleep(i * RAMP_STEP_MS).then(() => writer.open())));
    for (const watcher of this.#watchers) {
      watcher.start();
      await sleep(RAMP_STEP_MS);
    }
    await Promise.all(this.#watchers.map(({ watching }) => watching));
    for (const writer of this.#writers) writer.start();
    this.#gets?.start();
  }

  /** Ends the writing, lets the watchers catch up, and closes everything. */
  async stop(): Promise<FleetRecord> {
    const stoppedMs = this.#now();
    const limit = AbortSignal.timeout(this.#options.settleMs);
    await Promise.all([this.#gets?.stop(limit), ...this.#writers.map((writer) => writer.stop(limit))]);
    const writers = this.#writers.map(({ record }) => record);
    const sequences = writers.map(({ final }) => final?.sequence ?? 0);
    const isDone = (watcher: Watcher) => watcher.hasSeen(sequences) && watcher.isWatching;
    while (!limit.aborted && !this.#watchers.every(isDone)) await sleep(LOOK_AGAIN_MS);
    const endMs = this.#now();
    await Promise.all(this.#watchers.map((watcher) => watcher.stop()));
    return { writers, watchers: this.#watchers.map(({ record }) => record), gets: this.#gets?.records ?? [], stoppedMs, endMs };
  }

  async #createNamespace(): Promise<void> {
    const connection = new ApiConnection(this.#target, this.#now);
    const body = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: FLEET_NAMESPACE } };
    const answer = await connection.request('POST', '/api/v1/namespaces', { body });
    connection.close();
    if (answer.status >= 300 && answer.status !== 409) throw new Error(`the API refused the namespace: ${reasonOf(answer)}`);
  }
}
