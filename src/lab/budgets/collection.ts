import { HaleError } from '../../base/error.ts';
import { BackOff } from '../../drivers/back-off.ts';
import type { ApiTarget } from '../probe/fleet/connection.ts';
import { KeptConnection } from '../probe/fleet/kept-connection.ts';

const RETRY = { firstMs: 100, maxMs: 2000, jitter: 0.2 };
const WATCH_SECONDS = 600;
const GONE = 410;

export interface CollectionSink<T> {
  /** All objects that are there: at the start, and when what came between is not known. */
  replaced(objects: readonly T[], atMs: number): void;
  changed(object: T, atMs: number): void;
  removed(object: T, atMs: number): void;
}

export interface CollectionOptions<T> {
  /** Such as `/api/v1/pods`. */
  path: string;
  target: ApiTarget;
  now: () => number;
  sink: CollectionSink<T>;
}

interface Line<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: T & { code?: number; metadata: { resourceVersion: string } };
}

/** All objects of a kind, over a connection of its own: a list, then every change since (kubernetes.io, "Efficient detection of changes"). A watch that ends goes on where it ended. */
export class Collection<T> {
  /** Resolves after the first list. */
  readonly listed: Promise<void>;
  /** How often the changes between were lost, so that only a new list could say what is there. */
  gaps = 0;
  readonly #options: CollectionOptions<T>;
  readonly #ended = new AbortController();
  readonly #retry = new BackOff(RETRY, this.#ended.signal);
  readonly #connection: KeptConnection;
  #settle: () => void = () => {};
  #refuse: (error: Error) => void = () => {};
  #version: string | undefined;
  #lists = 0;

  constructor(options: CollectionOptions<T>) {
    this.#options = options;
    this.#connection = new KeptConnection(options.target, options.now);
    this.listed = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#refuse = reject;
    });
    void this.#run();
  }

  close(): void {
    this.#ended.abort();
    this.#connection.close();
  }

  async #run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      try {
        await (this.#version === undefined ? this.#list() : this.#watch(this.#version));
      } catch (error) {
        if (error instanceof HaleError) return this.#refuse(error);
        await this.#retry.wait();
      }
    }
  }

  async #list(): Promise<void> {
    const { path, now, sink } = this.#options;
    const { status, text } = await this.#connection.request('GET', path);
    if (status === 401 || status === 403) throw refused(path, status);
    if (status !== 200) throw new Error(`status ${status}`);
    const { metadata, items } = JSON.parse(text) as { metadata: { resourceVersion: string }; items: T[] };
    sink.replaced(items, now());
    this.#version = metadata.resourceVersion;
    if (this.#lists++ > 0) this.gaps++;
    this.#settle();
  }

  async #watch(version: string): Promise<void> {
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${version}&timeoutSeconds=${WATCH_SECONDS}`;
    const { status } = await this.#connection.request('GET', `${this.#options.path}?${query}`, {
      onOpen: () => this.#retry.reset(),
      onLine: (line) => this.#heard(line),
    });
    if (status === GONE) this.#version = undefined;
    else if (status !== 200) throw new Error(`status ${status}`);
  }

  #heard(line: string): void {
    const { type, object } = JSON.parse(line) as Line<T>;
    const { now, sink } = this.#options;
    if (type === 'ERROR') {
      if (object.code === GONE) this.#version = undefined;
      return;
    }
    this.#version = object.metadata.resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED') sink.changed(object, now());
    if (type === 'DELETED') sink.removed(object, now());
  }
}

function refused(path: string, status: number): HaleError {
  return new HaleError({ code: 'budgets_refused', kind: 'world', message: `the API refused to show ${path}: status ${status}` });
}
