import type { EtcdStopSignal } from '../../ports/etcd.ts';

/** A stop signal and the hand that gives it: an AbortController for a layer that has none. */
export class StopSource implements EtcdStopSignal {
  readonly #listeners = new Set<() => void>();
  aborted = false;

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of this.#listeners) listener();
  }

  addEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }
}
