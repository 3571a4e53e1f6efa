import { linesOf } from './mutate.ts';
import type { Target } from './target.ts';
import { type Failure, runAll } from './watchdog.ts';

const TRIES = 3000;
/** Each try of one that hangs takes as long as the watchdog waits. */
const TRIES_OF_HANG = 12;

/** A shorter input that fails in the same way: lines, then pieces are left out, then bytes become zero, as long as it still does. */
export function shrink(target: Target, failure: Failure): Failure {
  let best = failure;
  let left = failure.kind === 'hang' ? TRIES_OF_HANG : TRIES;
  const adopt = (input: Uint8Array): boolean => {
    if (left-- <= 0) return false;
    const again = runAll(target, [input])[0];
    if (again?.key !== failure.key) return false;
    best = again;
    return true;
  };
  for (let i = 0; target.text && i < linesOf(best.input).length; ) {
    if (!adopt(Buffer.concat(linesOf(best.input).toSpliced(i, 1)))) i++;
  }
  for (let size = best.input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < best.input.length; ) {
      if (!adopt(Buffer.concat([best.input.subarray(0, at), best.input.subarray(at + size)]))) at += size;
    }
  }
  const plain = target.text ? 0x30 : 0;
  for (let at = 0; at < best.input.length; at++) {
    if (best.input[at] !== plain) adopt(best.input.with(at, plain));
  }
  return best;
}
