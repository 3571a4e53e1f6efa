/** Readers with bugs on purpose: what the fuzzer has to find. */
import type { Target } from './target.ts';

/** Throws behind three bytes, one inside the other: by chance that takes millions of inputs, one after the other a thousand each. */
function readNested(bytes: Uint8Array): number {
  if (bytes[0] === 0x76) {
    if (bytes[1] === 0x69) {
      if (bytes[2] === 0x70) throw new RangeError('the planted bug');
      return 2;
    }
    return 1;
  }
  return 0;
}

export const nestedMagic: Target = {
  name: 'planted-magic',
  property: 'never throws',
  seeds: [Uint8Array.of(0, 0, 0, 0, 0, 0)],
  maxLength: 8,
  run: (input) => void readNested(input),
};

/** A length field that counts itself, where nobody thought of 0. */
export const endlessLoop: Target = {
  name: 'planted-loop',
  property: 'comes to an end',
  seeds: [Uint8Array.of(2, 1, 3, 1, 1)],
  maxLength: 8,
  hangMs: 200,
  run(input) {
    for (let at = 0; at < input.length; at += input[at] as number);
  },
};
