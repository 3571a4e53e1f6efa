import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientOptions, PAUSE_AFTER_FAILURE_MS, type RecordedCluster, RecordingClient } from './history/client.ts';
import { linearizabilityProblems } from './history/linearizable.ts';
import type { Operation } from './history/operation.ts';
import { byKeySorted, lastUpTo, revisionProblems } from './history/revisions.ts';

/** What clients saw while something was done to etcd. */
export class History {
  readonly operations: readonly Operation[];
  /** What the recording itself could not do, such as reading the keys at its end. */
  readonly #failures: readonly string[];

  constructor(operations: readonly Operation[], failures: readonly string[] = []) {
    this.operations = operations;
    this.#failures = failures;
  }

  /** Every sign that an acknowledged write was lost, applied twice or out of order, or that a read was stale; empty when all is well. */
  problems(): string[] {
    return [...this.#failures, ...linearizabilityProblems(this.operations), ...revisionProblems(this.operations)];
  }

  get acknowledgedWrites(): number {
    return this.operations.filter(({ outcome }) => outcome.kind === 'written').length;
  }

  /** Writes of which the client does not know whether they took effect. */
  get unknownWrites(): number {
    return this.operations.filter(({ kind, outcome }) => kind !== 'read' && outcome.kind === 'unknown').length;
  }

  /** The longest time between two acknowledged writes, in ms. */
  get longestPauseMs(): number {
    const times = this.operations
      .flatMap(({ outcome, returnedAtMs }) => (outcome.kind === 'written' ? returnedAtMs : []))
      .toSorted((a, b) => a - b);
    return times.reduce((longest, at, i) => Math.max(longest, i === 0 ? 0 : at - (times[i - 1] as number)), 0);
  }

  /** By key: the newest acknowledged value up to a revision, which is what a restore from a snapshot of that revision must bring back (or an unknown write's). */
  valuesAt(revision: number): Map<string, string> {
    const written = this.operations.flatMap((operation) =>
      operation.kind !== 'read' && operation.outcome.kind === 'written' ? { ...operation, revision: operation.outcome.revision } : [],
    );
    return new Map(
      byKeySorted(written).flatMap((ofKey): [string, string][] => {
        const last = lastUpTo(ofKey, revision);
        return last === undefined ? [] : [[last.key, last.value]];
      }),
    );
  }
}

export interface RecordingOptions {
  /** Default 6. Each keeps to one endpoint, or goes on to others, by turns. */
  clients?: number;
  /** Default 4: few, so that clients meet. */
  keys?: number;
  /** Of each client between two operations; default 8. */
  pauseMs?: number;
}

export interface Recording {
  /** Returns when a write has been acknowledged after the call and every key was read; the history says so if that fails. */
  stop(): Promise<History>;
}

const PATIENCE_MS = 20_000;

/** Clients put, compare-and-set and read the same few keys during `operation`. What it throws is thrown when they have stopped. */
export async function recordWhile(
  cluster: RecordedCluster,
  operation: () => Promise<unknown>,
  options: RecordingOptions = {},
): Promise<History> {
  const recording = await startRecording(cluster, options);
  try {
    await operation();
  } catch (error) {
    await recording.stop();
    throw error;
  }
  return await recording.stop();
}

/** Returns when every client has had a write acknowledged. */
async function startRecording(cluster: RecordedCluster, options: RecordingOptions = {}): Promise<Recording> {
  const { clients: count = 6, keys: keyCount = 4, pauseMs = 8 } = options;
  const prefix = `/history/${randomBytes(4).toString('hex')}`;
  const keys = Array.from({ length: keyCount }, (_, i) => `${prefix}/k${i}`);
  const operations: Operation[] = [];
  const clients = Array.from({ length: count }, (_, index) => new RecordingClient({ cluster, index, keys, operations }));
  const stopped = new AbortController();
  const done = Promise.all(clients.map((client) => client.run(pauseMs, stopped.signal)));
  const stop = async (): Promise<History> => {
    const failures: string[] = [];
    const stopsAtMs = performance.now();
    const servesAgain = await until(() =>
      operations.some(({ invokedAtMs, outcome }) => invokedAtMs >= stopsAtMs && outcome.kind === 'written'),
    );
    if (!servesAgain) failures.push(`no write was acknowledged within ${PATIENCE_MS} ms of the end`);
    stopped.abort();
    await done;
    failures.push(...(await readAll({ cluster, index: count, keys, operations })));
    return new History(operations, failures);
  };
  if (!(await until(() => clients.every(({ wrote }) => wrote)))) {
    await stop();
    throw new Error(`etcd acknowledged no write of each client within ${PATIENCE_MS} ms of the start`);
  }
  return { stop };
}

async function until(condition: () => boolean): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await sleep(5);
  }
  return true;
}

/** What the keys hold at the end, as further operations of the history; why not, where that failed. */
async function readAll(options: ClientOptions): Promise<string[]> {
  const client = new RecordingClient(options);
  try {
    for (const key of options.keys) {
      const deadline = performance.now() + PATIENCE_MS;
      while ((await client.read(key)).outcome.kind !== 'seen') {
        if (performance.now() > deadline) return [`${key} could not be read at the end within ${PATIENCE_MS} ms`];
        await sleep(PAUSE_AFTER_FAILURE_MS);
      }
    }
    return [];
  } finally {
    client.close();
  }
}
