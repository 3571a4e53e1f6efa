const never = new Int32Array(new SharedArrayBuffer(4));

/** Blocks this process, which has nothing else to do. Fractions of a millisecond count. */
export function pause(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
