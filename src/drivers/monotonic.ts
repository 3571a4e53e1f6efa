import type { Clock } from '../ports/clock.ts';

/** For commands, which end before anybody suspends their host: no library of the kernel has to be loaded for it, as for CLOCK_BOOTTIME. */
export const monotonic: Clock = {
  now: () => performance.now(),
  at(time, callback) {
    const handle = setTimeout(callback, Math.max(0, time - performance.now()));
    return { cancel: () => clearTimeout(handle) };
  },
};
