import { assert } from '../../base/assert.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import { clockGettime } from './libc.ts';

const CLOCK_BOOTTIME = 7;
/** Longest delay setTimeout takes; past it, it fires at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

// struct timespec of a 64-bit Linux: two signed 64-bit numbers, low words first.
const timespec = new Uint32Array(4);

function bootTimeMs(): number {
  assert(clockGettime(CLOCK_BOOTTIME, timespec) === 0, 'the kernel has CLOCK_BOOTTIME');
  const seconds = (timespec[1] as number) * 0x1_0000_0000 + (timespec[0] as number);
  return seconds * 1000 + (timespec[2] as number) / 1e6;
}

/** CLOCK_BOOTTIME: monotonic, counts suspended time, and is the same for all processes of this host. */
export const boottime: Clock = {
  now: bootTimeMs,
  at(time: number, callback: () => void): Timer {
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const delayMs = Math.min(LONGEST_DELAY_MS, Math.max(1, Math.ceil(time - bootTimeMs())));
      handle = setTimeout(fire, delayMs);
    };
    // Node counts from the start of its loop's turn, so a timer can be early by what that turn has used up already.
    const fire = (): void => {
      if (bootTimeMs() < time) arm();
      else callback();
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};
