import type { WatchSink } from '../../ports/node-api.ts';
import type { Random } from '../../base/random.ts';
import type { Schedule } from '../schedule.ts';
import type { SimLine } from './line.ts';

export interface WatchSource<T> {
  list: () => readonly T[];
  listen: (listener: (event: { type: 'changed' | 'removed'; item: T }) => void) => () => void;
}

export interface WatchTools {
  schedule: Schedule;
  random: Random;
  line: SimLine;
  awake: (run: () => void) => void;
  onSettled: () => void;
}

interface News<T> {
  at: number;
  event: { type: 'changed' | 'removed'; item: T };
}

const LIST_MS = 10_000;
const AGAIN_MS = 1000;
const ALIVE_MS = 30_000;

/** A watch as the driver keeps it: a list, then news in order and a little late, and the same again after whatever breaks it. */
export class SimWatch<T> {
  readonly #source: WatchSource<T>;
  readonly #sink: WatchSink<T>;
  readonly #tools: WatchTools;
  #queue: News<T>[] = [];
  #unlisten: (() => void) | undefined;
  #stopped = false;
  /** Counts the connections: what comes late on an old one is nothing. */
  #connection = 0;

  constructor(source: WatchSource<T>, sink: WatchSink<T>, tools: WatchTools) {
    this.#source = source;
    this.#sink = sink;
    this.#tools = tools;
    void this.#connect();
  }

  stop(): void {
    this.#stopped = true;
    this.#disconnect();
  }

  /** The connection ends, and the driver notices within so long. */
  breaks(noticedMs: number): void {
    if (this.#stopped || this.#unlisten === undefined) return;
    this.#disconnect();
    const { schedule } = this.#tools;
    schedule.plan(schedule.now + noticedMs, () => this.#tell(() => this.#failed('connection lost')));
  }

  #disconnect(): void {
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.#connection += 1;
    this.#queue = [];
  }

  #failed(reason: string): void {
    this.#sink.broken(reason);
    const { schedule, random } = this.#tools;
    schedule.plan(schedule.now + AGAIN_MS * random.between(0.5, 1.5), () => this.#tell(() => void this.#connect()));
  }

  async #connect(): Promise<void> {
    const connection = ++this.#connection;
    const answer = await this.#tools.line.call(() => {
      const items = this.#source.list();
      this.#unlisten?.();
      this.#unlisten = this.#source.listen((event) => this.#news(event, connection));
      return items;
    }, LIST_MS);
    if (this.#stopped || connection !== this.#connection) return;
    if (!answer.ok) {
      this.#unlisten?.();
      this.#unlisten = undefined;
      return this.#failed(answer.reason);
    }
    this.#sink.replaced(answer.value);
    // What came while the list was on its way.
    const early = this.#queue;
    this.#queue = [];
    for (const { event } of early) this.#deliver(event);
    this.#bookmark(connection);
  }

  #news(event: { type: 'changed' | 'removed'; item: T }, connection: number): void {
    const { schedule, random } = this.#tools;
    const at = Math.max(this.#queue.at(-1)?.at ?? 0, schedule.now + random.between(5, 250));
    this.#queue.push({ at, event });
    schedule.plan(at, () =>
      this.#tell(() => {
        if (connection !== this.#connection) return;
        for (let first = this.#queue[0]; first !== undefined && first.at <= schedule.now; first = this.#queue[0]) {
          this.#queue.shift();
          this.#deliver(first.event);
        }
      }),
    );
  }

  #deliver({ type, item }: { type: 'changed' | 'removed'; item: T }): void {
    if (this.#stopped) return;
    if (type === 'changed') this.#sink.changed(item);
    else this.#sink.removed(item);
  }

  #bookmark(connection: number): void {
    const { schedule } = this.#tools;
    schedule.plan(schedule.now + ALIVE_MS, () =>
      this.#tell(() => {
        if (connection !== this.#connection) return;
        this.#sink.alive();
        this.#bookmark(connection);
      }),
    );
  }

  #tell(run: () => void): void {
    this.#tools.awake(() => {
      if (this.#stopped) return;
      run();
      this.#tools.onSettled();
    });
  }
}
