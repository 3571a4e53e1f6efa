import { HaleError } from '../base/error.ts';
import { printable } from '../base/printable.ts';

/** Numbers are written with at most this many digits after the point, and never with an exponent. */
const DIGITS = 6;
const NUMBER_MAX = 1e12;
/** No more digits than are written, so that what was read is written as it was. */
const NUMBER = /^\d{1,13}(\.\d{1,6})?$/;

/** The nearest number that has a text. */
export function writable(value: number): number {
  return Number(Math.min(Math.max(value, 0), NUMBER_MAX).toFixed(DIGITS));
}

export function numberText(value: number): string {
  const text = writable(value).toFixed(DIGITS);
  return text.replace(/\.?0+$/, '');
}

/** One line of a scenario, read word by word. What does not fit is a HaleError that names the line, the word and what belongs there. */
export class Words {
  readonly #place: string;
  readonly #words: readonly string[];
  #next = 0;

  constructor(place: string, line: string) {
    this.#place = place;
    this.#words = line.split(/\s+/).filter((word) => word !== '');
  }

  get atEnd(): boolean {
    return this.#next >= this.#words.length;
  }

  /** The word that `expects` describes. */
  word(expects: string): string {
    const word = this.#words[this.#next];
    if (word === undefined) throw this.refuse(`the line ends where ${expects} belongs`, `Add ${expects}.`);
    this.#next++;
    return word;
  }

  oneOf<T extends string>(choices: readonly T[], what: string): T {
    const word = this.word(what);
    const found = choices.find((choice) => choice === word);
    if (found === undefined) throw this.refuse(`${word} is not ${what}`, `Write one of: ${choices.join(', ')}.`);
    return found;
  }

  /** Goes on if the next word is this one. */
  takes(keyword: string): boolean {
    const taken = this.#words[this.#next] === keyword;
    if (taken) this.#next++;
    return taken;
  }

  keyword(keyword: string): void {
    const word = this.word(keyword);
    if (word !== keyword) throw this.refuse(`${word} stands where ${keyword} belongs`, `Write ${keyword} before it.`);
  }

  number(what: string, range: { least: number; most: number }): number {
    return this.#inRange(this.word(what), what, range);
  }

  whole(what: string, range: { least: number; most: number }): number {
    const value = this.number(what, range);
    if (!Number.isInteger(value)) throw this.refuse(`${what} cannot be ${numberText(value)}`, 'Write a whole number.');
    return value;
  }

  /** `A..B`, A not above B. */
  span(what: string, range: { least: number; most: number }): [number, number] {
    const word = this.word(what);
    const [low, high, ...rest] = word.split('..');
    if (low === undefined || high === undefined || rest.length > 0) {
      throw this.refuse(`${word} is not ${what}`, 'Write two numbers with .. between, such as 0.1..1.');
    }
    const bounds: [number, number] = [this.#inRange(low, what, range), this.#inRange(high, what, range)];
    if (bounds[0] > bounds[1]) throw this.refuse(`${what} ${word} ends before it begins`, `Write ${high}..${low}.`);
    return bounds;
  }

  /** `A,B,C`: whole numbers, none twice. */
  list(what: string, range: { least: number; most: number }): number[] {
    const word = this.word(what);
    const values = word.split(',').map((text) => this.#inRange(text, what, range));
    if (!values.every(Number.isInteger)) throw this.refuse(`${what} cannot be ${word}`, 'Write whole numbers with commas between.');
    if (new Set(values).size < values.length) throw this.refuse(`${what} ${word} names one of them twice`, 'Name each once.');
    return values;
  }

  end(): void {
    const word = this.#words[this.#next];
    if (word !== undefined) throw this.refuse(`${word} is more than this line can say`, 'Remove it.');
  }

  refuse(message: string, remedy: string): HaleError {
    return new HaleError({
      code: 'scenario_malformed',
      kind: 'usage',
      message: `${this.#place}: ${printable(message)}`,
      remedy: printable(remedy),
    });
  }

  #inRange(text: string, what: string, { least, most }: { least: number; most: number }): number {
    const value = NUMBER.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const remedy = `Write a number from ${numberText(least)} to ${numberText(most)}, with at most ${DIGITS} digits after the point and no exponent.`;
    throw this.refuse(`${what} cannot be ${text}`, remedy);
  }
}
