import { boottime } from '../../../src/drivers/linux/boottime.ts';
import type { Clock, Timer } from '../../../src/ports/clock.ts';

/** The real clock, of which a test can skip minutes that a protocol waits. */
export class SkippingClock implements Clock {
  #skippedMs = 0;
  readonly #armed = new Set<{ time: number; timer: Timer; fire: () => void }>();

  now(): number {
    return boottime.now() + this.#skippedMs;
  }

  at(time: number, callback: () => void): Timer {
    const fire = () => {
      this.#armed.delete(entry);
      callback();
    };
    const entry = { time, fire, timer: boottime.at(time - this.#skippedMs, fire) };
    this.#armed.add(entry);
    return {
      cancel: () => {
        this.#armed.delete(entry);
        entry.timer.cancel();
      },
    };
  }

  skip(durationMs: number): void {
    this.#skippedMs += durationMs;
    for (const entry of this.#armed) {
      entry.timer.cancel();
      entry.timer = boottime.at(entry.time - this.#skippedMs, entry.fire);
    }
  }
}
