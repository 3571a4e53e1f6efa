import { HaleError } from '../../base/error.ts';
import { printable } from '../../base/printable.ts';
import { isMapping, type Mapping, mappingAt, numberAt, textAt } from '../../core/apiserver/json.ts';
import { refusalText } from '../../core/apiserver/refusal.ts';
import { jhash } from '../../core/balancer/jhash.ts';
import type { Kubernetes, KubernetesWatchEnd } from '../../ports/kubernetes.ts';
import type { StopWatch, WatchSink } from '../../ports/node-api.ts';
import { BackOff } from '../back-off.ts';
import { type Collection, fieldQuery, listAll } from './list.ts';

const RETRY = { firstMs: 250, maxMs: 10_000, jitter: 0.5 };
/** Of one page of a list. */
const LIST_MS = 10_000;
/** As client-go's reflector: the server ends a watch in order after 5 to 10 minutes, so that no watch stays for ever at a server that others have left. */
const WATCH_SECONDS = { min: 300, spread: 300 };
/** kubernetes.io, "410 Gone responses": the server no longer knows what came after the version that is asked for. */
const GONE = 410;

export interface ReflectorOptions<T> {
  kubernetes: Kubernetes;
  collection: Collection<T>;
  sink: WatchSink<T>;
  /** Without a word for so long, bookmarks included, everything is looked at anew. */
  silenceMs: number;
}

/**
 * Lists, then watches from there on, for as long as it is not stopped (client-go, tools/cache/reflector.go). It holds no objects. When the watch breaks
 * it goes on where it was; `replaced` comes again when the server no longer knows what came in between, and after silence.
 */
export function startReflector<T>(options: ReflectorOptions<T>): StopWatch {
  const reflector = new Reflector(options);
  void reflector.run();
  return () => reflector.stop();
}

class Reflector<T> {
  readonly #options: ReflectorOptions<T>;
  readonly #stopped = new AbortController();
  readonly #retry = new BackOff(RETRY, this.#stopped.signal);
  /** Last one seen; undefined: a list comes first. */
  #version: string | undefined;
  /** Something was heard in this watch. */
  #isHeard = false;
  /** Why the server ends this watch, in its words. */
  #ending: string | undefined;
  /** What the sink was told is broken, and not yet that it is well again. */
  #told: string | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
  }

  async run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const trouble = this.#version === undefined ? await this.#list() : await this.#watch();
      if (this.#stopped.signal.aborted) return;
      if (trouble === undefined) continue;
      if (trouble !== this.#told) this.#options.sink.broken(trouble);
      this.#told = trouble;
      await this.#retry.wait();
    }
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** What is wrong; undefined when the list was handed over. */
  async #list(): Promise<string | undefined> {
    const { kubernetes, collection, sink } = this.#options;
    const { signal } = this.#stopped;
    try {
      const listed = await listAll(kubernetes, { collection, timeoutMs: LIST_MS, signal });
      if (listed.kind === 'refused') return this.#refusal(refusalText(listed.answer));
      if (listed.version === '') return this.#refusal('a list without a resourceVersion');
      if (signal.aborted) return undefined;
      this.#version = listed.version;
      this.#told = undefined;
      sink.replaced(listed.items);
      return undefined;
    } catch (error) {
      if (error instanceof HaleError) return error.message;
      throw error;
    }
  }

  /** What is wrong; undefined when it ended as watches do, or a list comes next. */
  async #watch(): Promise<string | undefined> {
    const { kubernetes, silenceMs, collection, sink } = this.#options;
    const { path } = collection;
    this.#isHeard = false;
    this.#ending = undefined;
    // Watches of one client end at different times, and those of one kind always after the same.
    const seconds = WATCH_SECONDS.min + (jhash(Buffer.from(path), 0) % WATCH_SECONDS.spread);
    const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${seconds}&resourceVersion=${this.#version}${fieldQuery(collection)}`;
    const end = await kubernetes.watch(`${path}?${query}`, {
      signal: this.#stopped.signal,
      silenceMs,
      onOpen: () => {
        this.#told = undefined;
        sink.alive();
      },
      onDocument: (document) => this.#onDocument(isMapping(document) ? document : {}),
    });
    return this.#judge(end);
  }

  #judge(end: KubernetesWatchEnd): string | undefined {
    switch (end.kind) {
      case 'failed':
        return end.reason;
      case 'refused':
        if (end.answer.status === GONE) this.#version = undefined;
        return this.#refusal(refusalText(end.answer));
      case 'silent':
        // Nothing may have happened: a server whose etcd tells of no progress has no bookmark for a watch without events. Or this watch is dead. Or
        // etcd was restored to an earlier state, and nobody hears of what has a lower version than he asks for. A list tells, or fails.
        this.#version = undefined;
        return undefined;
      case 'finished':
        // One that ends before it has brought anything may do so again at once.
        return this.#isHeard ? undefined : this.#refusal(this.#ending ?? 'the watch ended as soon as it began');
    }
  }

  #onDocument({ type, object }: Mapping): void {
    const { sink, collection } = this.#options;
    const about = isMapping(object) ? object : {};
    if (type === 'ERROR') return this.#onError(about);
    const version = textAt(mappingAt(about, 'metadata'), 'resourceVersion');
    if (version !== '') this.#version = version;
    this.#isHeard = true;
    this.#told = undefined;
    this.#retry.reset();
    const item = type === 'BOOKMARK' ? undefined : collection.read(about);
    if (item === undefined) sink.alive();
    else if (type === 'DELETED') sink.removed(item);
    else sink.changed(item);
  }

  /** The server ends the watch after it. */
  #onError(status: Mapping): void {
    const code = numberAt(status, 'code') ?? 0;
    if (code === GONE) this.#version = undefined;
    this.#ending = refusalText({ status: code, body: status });
  }

  #refusal(words: string): string {
    return `${this.#options.collection.path}: ${printable(words)}`;
  }
}
