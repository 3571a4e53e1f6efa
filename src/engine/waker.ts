import type { Clock, Timer } from '../ports/clock.ts';

/** The one timer of a state machine that says when it wants to be woken next. */
export class Waker {
  readonly #clock: Clock;
  readonly #wake: () => void;
  #timer: Timer | undefined;
  #at = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  /** In place of the time before; infinity is never. */
  arm(at: number): void {
    if (at === this.#at) return;
    this.#timer?.cancel();
    this.#at = at;
    this.#timer =
      at === Number.POSITIVE_INFINITY
        ? undefined
        : this.#clock.at(at, () => {
            this.#at = Number.POSITIVE_INFINITY;
            this.#wake();
          });
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
