import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEtcdClient } from '../../../src/drivers/etcd/client.ts';
import type { EtcdTls } from '../../../src/drivers/etcd/endpoints.ts';
import type { Etcd } from '../../../src/ports/etcd.ts';
import type { Cas, Operation, Read, Seen, Write } from './operation.ts';

/** What recordings need of a cluster; `endpoints` may change meanwhile. */
export interface RecordedCluster {
  endpoints: readonly string[];
  tls: EtcdTls;
}

const TIMEOUT_MS = 1500;
/** So that a dead member is not asked all the time. */
export const PAUSE_AFTER_FAILURE_MS = 50;

export interface ClientOptions {
  cluster: RecordedCluster;
  index: number;
  keys: readonly string[];
  /** Where it records. */
  operations: Operation[];
}

/** One client of a recording, one operation at a time. */
export class RecordingClient {
  readonly #options: ClientOptions;
  readonly #name: string;
  /** By key, what this client saw of it last. */
  readonly #seen = new Map<string, Pick<Seen, 'value' | 'modRevision'>>();
  #etcd: Etcd | undefined;
  #writes = 0;
  wrote = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#name = `c${options.index}`;
  }

  async run(pauseMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { outcome } = await this.#next();
      if (outcome.kind === 'written') this.wrote = true;
      await sleep(outcome.kind === 'unknown' || outcome.kind === 'failed' ? PAUSE_AFTER_FAILURE_MS : pauseMs);
    }
    this.close();
  }

  close(): void {
    this.#etcd?.close();
    this.#etcd = undefined;
  }

  async #next(): Promise<Operation> {
    const { keys } = this.#options;
    const key = keys[randomInt(keys.length)] as string;
    const dice = randomInt(100);
    if (dice < 40) return await this.read(key);
    const seen = this.#seen.get(key);
    return seen === undefined || dice < 70 ? await this.#put(key) : await this.#cas(key, seen);
  }

  async read(key: string): Promise<Read> {
    const attempt = async (etcd: Etcd): Promise<Read['outcome']> => {
      const { kvs, revision } = await etcd.range(Buffer.from(key));
      const [found] = kvs;
      if (found === undefined) return { kind: 'seen', value: null, modRevision: 0, revision };
      return { kind: 'seen', value: Buffer.from(found.value).toString(), modRevision: found.modRevision, revision };
    };
    const call = await this.#timed(key, attempt);
    if (call.outcome.kind === 'seen') this.#seen.set(key, call.outcome);
    return this.#record({ kind: 'read', ...call });
  }

  async #put(key: string): Promise<Write> {
    const value = this.#newValue();
    const call = await this.#timed(key, async (etcd): Promise<Write['outcome']> => {
      return { kind: 'written', ...(await etcd.put(Buffer.from(key), Buffer.from(value))) };
    });
    return this.#record({ kind: 'write', value, ...call });
  }

  async #cas(key: string, { value: from, modRevision }: Pick<Seen, 'value' | 'modRevision'>): Promise<Cas> {
    const value = this.#newValue();
    const call = await this.#timed(key, async (etcd): Promise<Cas['outcome']> => {
      const put = { key: Buffer.from(key), value: Buffer.from(value) };
      const { succeeded, revision } = await etcd.txn({ compare: [{ key: put.key, modRevision }], success: [{ put }] });
      return { kind: succeeded ? 'written' : 'conflict', revision };
    });
    if (call.outcome.kind !== 'written') this.#seen.delete(key);
    return this.#record({ kind: 'cas', from, fromRevision: modRevision, value, ...call });
  }

  #newValue(): string {
    return `${this.#name}-${++this.#writes}`;
  }

  #record<T extends Operation>(operation: T): T {
    this.#options.operations.push(operation);
    return operation;
  }

  async #timed<T>(key: string, attempt: (etcd: Etcd) => Promise<T>) {
    const etcd = (this.#etcd ??= this.#open());
    const invokedAtMs = performance.now();
    let outcome: T | { kind: 'unknown' | 'failed'; error: string };
    try {
      outcome = await attempt(etcd);
    } catch (error) {
      outcome = { kind: certainlyRefused(error) ? 'failed' : 'unknown', error: (error as Error).message };
      // The members may be others by now.
      this.close();
    }
    // Several clients' operations, in the order of their ends; ids only have to differ.
    const id = ++lastId;
    return { id, client: this.#name, key, invokedAtMs, returnedAtMs: performance.now(), outcome };
  }

  #open(): Etcd {
    const { cluster, index } = this.#options;
    const first = index % cluster.endpoints.length;
    const turned = [...cluster.endpoints.slice(first), ...cluster.endpoints.slice(0, first)];
    return createEtcdClient({ endpoints: index % 2 === 0 ? turned : turned.slice(0, 1), tls: cluster.tls, timeoutMs: TIMEOUT_MS });
  }
}

let lastId = 0;

/** etcd decided against it. Not when the space is exceeded: the write that first exceeds it is applied all the same (quotaApplierV3). */
function certainlyRefused(error: unknown): boolean {
  const { code, message } = error as { code?: string; message: string };
  return code === 'etcd_refused' && !message.includes('space exceeded');
}
