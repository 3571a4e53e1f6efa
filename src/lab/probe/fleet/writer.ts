import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadRecord, WriteRecord, WriterRecord } from '../../../core/drill/fleet.ts';
import { BackOff } from '../../../drivers/back-off.ts';
import type { Answer, ApiTarget } from './connection.ts';
import { KeptConnection } from './kept-connection.ts';
import { COLLECTION, configMap, pathOf, stateOf } from './objects.ts';

/** As a controller's work queue: 5 ms, doubled with each failure (k8s.io/client-go, util/workqueue); but never longer than this, to see the end of an outage. */
const RETRY = { firstMs: 5, maxMs: 1000, jitter: 0 };

const GOLDEN_RATIO = 0.618_034;

export interface WriterOptions {
  writer: number;
  target: ApiTarget;
  now: () => number;
  everyMs: number;
}

/** One client that owns one ConfigMap, on a connection of its own: each write carries the next number, and none is sent again that may have been done. */
export class Writer {
  readonly record: WriterRecord = { writes: [], reads: [], final: null };
  readonly #options: WriterOptions;
  readonly #ended = new AbortController();
  readonly #stopping = new AbortController();
  readonly #retry = new BackOff(RETRY, this.#ended.signal);
  readonly #connection: KeptConnection;
  #sequence = 0;
  #resourceVersion = 0;
  #work: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#connection = new KeptConnection(options.target, options.now);
  }

  /** Makes its object, or finds that of an earlier fleet, whose numbers it goes on from. Rejects when the API refuses. */
  async open(): Promise<void> {
    const { writer } = this.#options;
    const created = await this.#request('POST', COLLECTION, configMap({ writer, sequence: 0 }));
    const answer = created.status === 409 ? await this.#request('GET', pathOf(writer)) : created;
    if (answer.status >= 300) throw new Error(`the API refused the object of writer ${writer}: ${reasonOf(answer)}`);
    this.#take(answer);
  }

  start(): void {
    this.#work = this.#run();
  }

  /** Writes no more, and reads what there is; gives up when `signal` aborts. */
  async stop(signal: AbortSignal): Promise<void> {
    this.#stopping.abort();
    signal.addEventListener('abort', () => this.#end(), { once: true });
    await this.#work;
    this.record.final = await this.#read();
    this.#end();
  }

  #end(): void {
    this.#ended.abort();
    this.#connection.close();
  }

  async #run(): Promise<void> {
    const { now, everyMs, writer } = this.#options;
    // Spread over the time between two writes, however many there are, or all would write at once.
    let dueMs = now() + everyMs * ((writer * GOLDEN_RATIO) % 1);
    while (!this.#stopping.signal.aborted) {
      await sleep(Math.max(0, dueMs - now()), undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      dueMs = Math.max(dueMs + everyMs, now());
      await this.#write();
    }
  }

  async #write(): Promise<void> {
    const { now, writer } = this.#options;
    const sequence = ++this.#sequence;
    const write: WriteRecord = { sequence, sentMs: now(), endMs: 0, outcome: 'unread' };
    this.record.writes.push(write);
    let answer: Answer | undefined;
    try {
      answer = await this.#request('PUT', pathOf(writer), configMap({ writer, sequence }, this.#resourceVersion));
      if (answer.status >= 300) write.error = reasonOf(answer);
    } catch (error) {
      write.error = (error as Error).message;
    }
    if (answer !== undefined && write.error === undefined) {
      const { resourceVersion } = this.#take(answer);
      Object.assign(write, { endMs: now(), outcome: 'acknowledged', resourceVersion });
      return;
    }
    await this.#retry.wait();
    const read = await this.#read();
    write.endMs = now();
    if (read === null) return;
    this.record.reads.push(read);
    write.outcome = read.sequence === sequence ? 'found' : 'absent';
    if (write.outcome === 'found') write.resourceVersion = read.resourceVersion;
  }

  /** Linearizable, as every GET without a resource version; until it succeeds. Null when the fleet ends before. */
  async #read(): Promise<ReadRecord | null> {
    while (!this.#ended.signal.aborted) {
      try {
        const answer = await this.#request('GET', pathOf(this.#options.writer));
        if (answer.status === 200) {
          this.#retry.reset();
          const after = this.#sequence;
          const { sequence, resourceVersion } = this.#take(answer);
          this.#sequence = Math.max(after, sequence);
          return { after, sequence, resourceVersion };
        }
      } catch {
        // What failed is lost from view, not the write; the next attempt opens a connection.
      }
      await this.#retry.wait();
    }
    return null;
  }

  #take({ text }: Answer): { sequence: number; resourceVersion: number } {
    const state = stateOf(JSON.parse(text) as object);
    if (state === undefined) throw new Error(`the API answered with another object: ${text.slice(0, 200)}`);
    this.#resourceVersion = state.resourceVersion;
    if (this.record.writes.length === 0) this.#sequence = state.sequence;
    return state;
  }

  #request(method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<Answer> {
    return this.#connection.request(method, path, body === undefined ? {} : { body });
  }
}

export function reasonOf({ status, text }: Answer): string {
  return `status ${status}: ${text.slice(0, 200)}`;
}
