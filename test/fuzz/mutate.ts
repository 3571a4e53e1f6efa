/** Makes inputs from inputs: bit flips, interesting numbers, splices, cuts, words of the format. */
import { createRandom, type Random } from '../../src/base/random.ts';

/** Ends of ranges, and their neighbours: where length checks are wrong. */
const INTERESTING = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 20, 31, 32, 64, 127, 128, 255, 256, 512, 1024, 32_767, 32_768, 65_535, 0x7fff_ffff, 0xffff_ffff,
];
const NUMBERS = ['0', '-1', '1', '00', '256', '65536', '4294967296', '9007199254740993', '1e309', '0x10', '1.5'];
const STACK_MAX = 6;
const CHUNK_MAX = 32;
/** Inputs up to this long are swept at every place, longer ones at some. */
const SWEEP_ALL = 8;
const SWEEP_PLACES = 4;

export interface Mutator {
  random: Random;
  /** A changed copy of an input of the pool. */
  mutant(pool: readonly Uint8Array[]): Uint8Array;
  /** Copies with every value at some places: enumerations and magic numbers stand alone in one byte, where chance rarely meets them. */
  sweep(input: Uint8Array): Generator<Uint8Array>;
}

type Operation = (bytes: Uint8Array, pool: readonly Uint8Array[]) => Uint8Array;

export interface MutatorOptions {
  seed: number;
  maxLength: number;
  /** First inputs of a text format: its words are taken from them, and whole lines are moved. Absent for bytes. */
  texts?: readonly Uint8Array[] | undefined;
}

export function createMutator(options: MutatorOptions): Mutator {
  const { texts, maxLength } = options;
  const random = createRandom(options.seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const ofText =
    texts === undefined ? [] : [word(random, wordsOf(texts)), word(random, wordsOf(texts)), lineWise(random), lineWise(random)];
  const operations: readonly Operation[] = [...inPlace(random), ...resizing(random), splicing(random), ...ofText];
  return {
    random,
    mutant(pool) {
      // What was found last has been tried least.
      const i = random.chance(0.5) ? random.below(pool.length) : Math.max(random.below(pool.length), random.below(pool.length));
      let bytes = Uint8Array.from(pool[i] ?? []);
      for (let left = 1 + random.below(STACK_MAX); left > 0; left--) bytes = pick(operations)(bytes, pool) as typeof bytes;
      return bytes.subarray(0, maxLength);
    },
    *sweep(input) {
      const places = input.length <= SWEEP_ALL ? [...input.keys()] : Array.from({ length: SWEEP_PLACES }, () => random.below(input.length));
      for (const at of places) for (let value = 0; value < 256; value++) yield input.with(at, value);
    },
  };
}

/** Operations that keep the length. */
function inPlace(random: Random): Operation[] {
  const change = (bytes: Uint8Array, next: (byte: number) => number): Uint8Array => {
    const at = random.below(bytes.length);
    if (bytes.length > 0) bytes[at] = next(bytes[at] as number);
    return bytes;
  };
  const number: Operation = (bytes) => {
    const width = [1, 2, 4][random.below(3)] as 1 | 2 | 4;
    if (bytes.length < width) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const at = random.below(bytes.length - width + 1);
    const value = INTERESTING[random.below(INTERESTING.length)] as number;
    const little = random.chance(0.5);
    if (width === 1) view.setUint8(at, value);
    else if (width === 2) view.setUint16(at, value, little);
    else view.setUint32(at, value, little);
    return bytes;
  };
  return [
    (bytes) => change(bytes, (byte) => byte ^ (1 << random.below(8))),
    (bytes) => change(bytes, () => random.below(256)),
    (bytes) => change(bytes, (byte) => byte + 1 + random.below(8)),
    (bytes) => change(bytes, (byte) => byte - 1 - random.below(8)),
    number,
    number,
  ];
}

/** Operations that insert, repeat or remove. */
function resizing(random: Random): Operation[] {
  const chunk = (length: number): [number, number] => {
    const from = random.below(length + 1);
    return [from, Math.min(length, from + 1 + random.below(CHUNK_MAX))];
  };
  return [
    (bytes) => bytes.subarray(0, random.below(bytes.length + 1)).slice(),
    (bytes) => {
      const [from, to] = chunk(bytes.length);
      return join(bytes.subarray(0, from), bytes.subarray(to));
    },
    (bytes) => {
      const [from, to] = chunk(bytes.length);
      return join(bytes.subarray(0, to), bytes.subarray(from));
    },
    (bytes) => {
      const at = random.below(bytes.length + 1);
      return join(
        bytes.subarray(0, at),
        Uint8Array.from({ length: 1 + random.below(4) }, () => random.below(256)),
        bytes.subarray(at),
      );
    },
  ];
}

/** A piece of another input, over or between the bytes of this one. */
function splicing(random: Random): Operation {
  return (bytes, pool) => {
    const other = pool[random.below(pool.length)] as Uint8Array;
    const from = random.below(other.length + 1);
    const piece = other.subarray(from, from + 1 + random.below(2 * CHUNK_MAX));
    const at = random.below(bytes.length + 1);
    return join(bytes.subarray(0, at), piece, bytes.subarray(random.chance(0.5) ? at : at + piece.length));
  };
}

/** Leaves a line out, or puts one of another input in its place or before it. */
function lineWise(random: Random): Operation {
  return (bytes, pool) => {
    const lines = linesOf(bytes);
    const others = linesOf(pool[random.below(pool.length)] as Uint8Array);
    const line = others[random.below(others.length)];
    return join(
      ...lines.toSpliced(random.below(lines.length + 1), random.below(2), ...(line !== undefined && random.chance(0.7) ? [line] : [])),
    );
  };
}

/** Each with its end. */
export function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    const next = end < 0 ? bytes.length : end + 1;
    lines.push(bytes.subarray(at, next));
    at = next;
  }
  return lines;
}

function word(random: Random, words: readonly Uint8Array[]): Operation {
  return (bytes) => {
    const piece = words[random.below(words.length)] as Uint8Array;
    const at = random.below(bytes.length + 1);
    return join(bytes.subarray(0, at), piece, bytes.subarray(random.chance(0.5) ? at : at + piece.length));
  };
}

/** Words and numbers of a text format, taken from its samples, with numbers that readers get wrong. */
function wordsOf(samples: readonly Uint8Array[]): Uint8Array[] {
  const texts = samples.map((sample) => Buffer.from(sample).toString('latin1'));
  const words = new Set([...texts.flatMap((text) => text.match(/[\w./-]+|[^\w\s]/g) ?? []), ...NUMBERS]);
  return [...words].map((text) => Buffer.from(text, 'latin1'));
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
