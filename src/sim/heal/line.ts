import type { Random } from '../../base/random.ts';
import type { Schedule } from '../schedule.ts';

export interface LineOptions {
  schedule: Schedule;
  random: Random;
  /** Runs it now, after a freeze, or never where the process has ended. */
  awake: (run: () => void) => void;
  /** Whether a call arrives, and its answer. */
  reaches: () => boolean;
  isSlow: () => boolean;
  /** A promise was settled: what waits for it is to be run. */
  onSettled: () => void;
}

export type Answer<T> = { ok: true; value: T } | { ok: false; reason: string };

/** Calls of one process to somewhere else: they arrive late, twice as late as anybody waits, or never, and so do their answers. */
export class SimLine {
  readonly #options: LineOptions;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  call<T>(act: () => T, timeoutMs: number): Promise<Answer<T>> {
    const { schedule, random, awake, reaches, isSlow, onSettled } = this.#options;
    const delay = () => (isSlow() ? random.between(0, timeoutMs) : random.between(2, 60));
    return new Promise((resolve) => {
      const settle = (answer: Answer<T>) =>
        awake(() => {
          resolve(answer);
          onSettled();
        });
      const timeout = schedule.plan(schedule.now + timeoutMs, () => settle({ ok: false, reason: 'no answer in time' }));
      const fail = () => {
        timeout.cancel();
        settle({ ok: false, reason: 'connection refused' });
      };
      schedule.plan(schedule.now + delay(), () => {
        // Half of what does not arrive is refused at once, the rest is lost.
        if (!reaches()) return random.chance(0.5) ? fail() : undefined;
        const value = act();
        schedule.plan(schedule.now + delay(), () => {
          if (!reaches()) return;
          timeout.cancel();
          settle({ ok: true, value });
        });
      });
    });
  }
}
