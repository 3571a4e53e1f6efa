import { assert } from '../../base/assert.ts';
import * as libc from './libc.ts';
import { pollReadable } from './poll.ts';

const CLOCK_MONOTONIC = 1;
/** TFD_NONBLOCK | TFD_CLOEXEC. */
const FLAGS = libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC;

/** Calls back every `everyUs` microseconds (timerfd_create(2)), where setInterval has a grain of a millisecond and drifts. Ticks missed while the loop was busy are one call. */
export function everyMicroseconds(everyUs: number, callback: () => void): { close(): void } {
  const fd = libc.timerfdCreate(CLOCK_MONOTONIC, FLAGS);
  assert(fd >= 0, 'the kernel has timer descriptors');
  const period = [BigInt(Math.floor(everyUs / 1e6)), BigInt(Math.round((everyUs % 1e6) * 1000))];
  assert(libc.timerfdSettime(fd, 0, BigInt64Array.from([...period, ...period]), null) === 0, `${everyUs} µs is a period`);
  const expirations = new Uint8Array(8);
  const poll = pollReadable(fd, () => {
    if (libc.read(fd, expirations, expirations.length) === expirations.length) callback();
  });
  return {
    close() {
      poll.close();
      libc.close(fd);
    },
  };
}
