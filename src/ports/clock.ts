export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds of a monotonic clock that counts suspended time (CLOCK_BOOTTIME on Linux); the zero point has no meaning between hosts. */
  now(): number;
  /** Calls back once, at or after `time` of this clock. */
  at(time: number, callback: () => void): Timer;
}
