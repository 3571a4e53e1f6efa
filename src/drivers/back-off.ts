import { setTimeout as sleep } from 'node:timers/promises';

/** Waits that double from failure to failure, up to a limit. */
export class BackOff {
  readonly #options: { firstMs: number; maxMs: number; jitter: number };
  readonly #signal: AbortSignal;
  #nextMs: number;

  /** A wait is longer by up to `jitter` times itself. It ends at once when `signal` aborts. */
  constructor(options: { firstMs: number; maxMs: number; jitter: number }, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#nextMs = options.firstMs;
  }

  async wait(): Promise<void> {
    const { maxMs, jitter } = this.#options;
    const waitMs = this.#nextMs * (1 + Math.random() * jitter);
    this.#nextMs = Math.min(this.#nextMs * 2, maxMs);
    await sleep(waitMs, undefined, { signal: this.#signal }).catch(() => undefined);
  }

  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }
}
