import type { WatcherRecord, WatchGap } from '../../../core/drill/fleet.ts';
import { BackOff } from '../../../drivers/back-off.ts';
import type { ApiConnection, ApiTarget } from './connection.ts';
import { KeptConnection } from './kept-connection.ts';
import { COLLECTION, type State, stateOf } from './objects.ts';

/** As client-go's reflector, which waits only after an attempt that failed (k8s.io/client-go, tools/cache/reflector.go). */
const RETRY = { firstMs: 800, maxMs: 30_000, jitter: 1 };
/** A reflector asks for a watch of 5 to 10 minutes. */
const WATCH_SECONDS = { min: 300, spread: 300 };
const GONE = 410;

interface WatchLine {
  type: string;
  object: { code?: number; message?: string; metadata: { resourceVersion: string } };
}

export interface WatcherOptions {
  writers: number;
  target: ApiTarget;
  now: () => number;
}

/** One client that watches all ConfigMaps on a connection of its own, and goes on from the last resource version it has seen when its watch ends. */
export class Watcher {
  readonly record: WatcherRecord = { lists: [], events: [], gaps: [] };
  /** Resolves when the first watch was answered. */
  readonly watching: Promise<void>;
  readonly #options: WatcherOptions;
  readonly #ended = new AbortController();
  readonly #retry = new BackOff(RETRY, this.#ended.signal);
  readonly #sequences: number[];
  readonly #connection: KeptConnection;
  /** Undefined: a list comes first. */
  #resourceVersion: string | undefined;
  #settle: () => void = () => {};
  #work: Promise<void> = Promise.resolve();

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#connection = new KeptConnection(options.target, options.now);
    this.#sequences = Array.from({ length: options.writers }, () => 0);
    this.watching = new Promise((resolve) => (this.#settle = resolve));
  }

  start(): void {
    this.#work = this.#run();
  }

  /** Whether it has seen these writes or later ones. */
  hasSeen(sequences: readonly number[]): boolean {
    return sequences.every((sequence, writer) => (this.#sequences[writer] as number) >= sequence);
  }

  /** After a list, which shows it everything, it may not watch yet. */
  get isWatching(): boolean {
    return this.record.gaps.at(-1)?.resumedMs !== null;
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    this.#connection.close();
    await this.#work;
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        await (this.#resourceVersion === undefined ? this.#list() : this.#watch());
      } catch {
        await this.#retry.wait();
      }
    }
  }

  /** The first from the API server's cache, as reflectors do; after 410 Gone what etcd holds. */
  async #list(): Promise<void> {
    const first = this.record.lists.length === 0;
    const { status, text } = await this.#connection.request('GET', first ? `${COLLECTION}?resourceVersion=0` : COLLECTION);
    if (status !== 200) throw new Error(`status ${status}`);
    const { metadata, items } = JSON.parse(text) as { metadata: { resourceVersion: string }; items: object[] };
    const sequences = this.#sequences.map(() => 0);
    for (const state of items.map(stateOf)) if (state !== undefined) sequences[state.writer] = state.sequence;
    this.record.lists.push({ resourceVersion: Number(metadata.resourceVersion), sequences, events: this.record.events.length / 3 });
    for (const [writer, sequence] of sequences.entries()) this.#sequences[writer] = sequence;
    this.#resourceVersion = metadata.resourceVersion;
  }

  /** Ends with the watch; rejects when it did not even begin. */
  async #watch(): Promise<void> {
    const timeoutSeconds = Math.floor(WATCH_SECONDS.min + Math.random() * WATCH_SECONDS.spread);
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${this.#resourceVersion}&timeoutSeconds=${timeoutSeconds}`;
    let open = false;
    let reason: string | undefined;
    const onOpen = (): void => {
      open = true;
      this.#resumed();
    };
    try {
      const { status } = await this.#connection.request('GET', `${COLLECTION}?${query}`, { onOpen, onLine: (line) => this.#onLine(line) });
      if (status === GONE) this.#resourceVersion = undefined;
      else if (status !== 200) throw new Error(`status ${status}`);
    } catch (error) {
      if (!open) throw error;
      reason = (error as Error).message;
    } finally {
      if (open && !this.#ended.signal.aborted) {
        const { heardMs, server } = this.#connection.connection as ApiConnection;
        const broken = reason === undefined ? {} : { error: reason };
        this.record.gaps.push({ heardMs, lostMs: this.#options.now(), resumedMs: null, ...server, ...broken });
      }
    }
  }

  #resumed(): void {
    this.#retry.reset();
    this.#settle();
    const gap: WatchGap | undefined = this.record.gaps.at(-1);
    if (gap?.resumedMs === null) gap.resumedMs = this.#options.now();
  }

  #onLine(line: string): void {
    const { type, object } = JSON.parse(line) as WatchLine;
    if (type === 'ERROR') {
      // The stream ends after it.
      if (object.code === GONE) this.#resourceVersion = undefined;
      return;
    }
    this.#resourceVersion = object.metadata.resourceVersion;
    if (type !== 'ADDED' && type !== 'MODIFIED') return;
    const state: State | undefined = stateOf(object);
    if (state === undefined) return;
    const { writer, sequence, resourceVersion } = state;
    this.record.events.push(writer, sequence, resourceVersion);
    this.#sequences[writer] = sequence;
  }
}
