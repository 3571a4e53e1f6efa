import type { WatchSink } from '../../src/ports/node-api.ts';
import { untilWithin } from './hale.ts';

/** Writes down what a watch tells, and what there is by that. */
export class RecordedWatch<T> implements WatchSink<T> {
  /** In order: `replaced`, `changed NAME`, `removed NAME`, `broken REASON`, `alive`. */
  told: string[] = [];
  readonly items = new Map<string, T>();
  readonly #nameOf: (item: T) => string;

  constructor(nameOf: (item: T) => string) {
    this.#nameOf = nameOf;
  }

  replaced(items: readonly T[]): void {
    this.told.push('replaced');
    this.items.clear();
    for (const item of items) this.items.set(this.#nameOf(item), item);
  }

  changed(item: T): void {
    this.told.push(`changed ${this.#nameOf(item)}`);
    this.items.set(this.#nameOf(item), item);
  }

  removed(item: T): void {
    this.told.push(`removed ${this.#nameOf(item)}`);
    this.items.delete(this.#nameOf(item));
  }

  broken(reason: string): void {
    this.told.push(`broken ${reason}`);
  }

  alive(): void {
    this.told.push('alive');
  }

  /** Without signs of life, of which there are as many as there are. */
  get news(): string[] {
    return this.told.filter((word) => word !== 'alive');
  }

  /** Waits for a word, and forgets all up to it. */
  async heard(word: string | RegExp): Promise<void> {
    const isWanted = (one: string) => (typeof word === 'string' ? one === word : word.test(one));
    await untilWithin(60_000, { look: () => this.told, wanted: (told) => told.some(isWanted), what: String(word) });
    this.told = this.told.slice(this.told.findIndex(isWanted) + 1);
  }
}
