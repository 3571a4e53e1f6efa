import { printable } from '../../base/printable.ts';

/** One sample of a scrape: what is measured, by which labels, and its value. */
export interface Sample {
  name: string;
  labels: ReadonlyMap<string, string>;
  value: number;
}

/** A longer line is none that Prometheus' own client libraries would write; it is passed over, so that a peer cannot fill the memory. */
export const LINE_CHARS_MAX = 65_536;
/** As much of the first malformed line is kept as shows where it comes from. */
const EXCERPT_CHARS = 120;

/**
 * Reads the text that an exporter serves (Prometheus text format 0.0.4, and OpenMetrics 1.0, whose samples differ by exemplars alone),
 * chunk by chunk. It holds at most one line. It never throws: a line that is not of the format is counted in `malformed`. Of lines that are
 * not wanted only the name is looked at.
 *
 * Ours, because the parsers on npm want the whole text at once and have had no release for years.
 */
export class ExpositionReader {
  readonly #wants: (name: string) => boolean;
  readonly #onSample: (sample: Sample) => boolean;
  #pending = '';
  #skipping = false;
  lines = 0;
  malformed = 0;
  firstMalformed: { line: number; excerpt: string } | null = null;

  /** `onSample` says whether the sample makes sense; if not, its line counts as malformed. */
  constructor(options: { wants: (name: string) => boolean; onSample: (sample: Sample) => boolean }) {
    this.#wants = options.wants;
    this.#onSample = options.onSample;
  }

  push(chunk: string): void {
    let from = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', from)) {
      this.#take(chunk.slice(from, end));
      this.#endLine();
      from = end + 1;
    }
    this.#take(chunk.slice(from));
  }

  /** A last line without its end is what an answer that was cut short leaves. */
  end(): void {
    if (this.#pending === '' && !this.#skipping) return;
    if (!this.#skipping) this.#refuse(this.#pending);
    this.lines++;
    this.#pending = '';
    this.#skipping = false;
  }

  #take(piece: string): void {
    if (this.#skipping) return;
    if (this.#pending.length + piece.length <= LINE_CHARS_MAX) {
      this.#pending += piece;
      return;
    }
    this.#refuse(this.#pending + piece.slice(0, EXCERPT_CHARS));
    this.#pending = '';
    this.#skipping = true;
  }

  #endLine(): void {
    if (!this.#skipping && !this.#readLine(this.#pending)) this.#refuse(this.#pending);
    this.lines++;
    this.#pending = '';
    this.#skipping = false;
  }

  #refuse(text: string): void {
    this.malformed++;
    this.firstMalformed ??= { line: this.lines + 1, excerpt: printable(text.slice(0, EXCERPT_CHARS)) };
  }

  #readLine(text: string): boolean {
    const cursor: Cursor = { text, at: 0 };
    skipBlanks(cursor);
    if (cursor.at === text.length || text[cursor.at] === '#') return true;
    const name = readName(cursor, isMetricNameChar);
    if (name === '') return false;
    if (!this.#wants(name)) return true;
    const labels = readLabels(cursor);
    const value = labels === undefined ? undefined : readValue(cursor);
    if (labels === undefined || value === undefined || !atEnd(cursor)) return false;
    return this.#onSample({ name, labels, value });
  }
}

interface Cursor {
  readonly text: string;
  at: number;
}

function skipBlanks(cursor: Cursor): void {
  while (cursor.text[cursor.at] === ' ' || cursor.text[cursor.at] === '\t') cursor.at++;
}

/** Empty where none begins. */
function readName(cursor: Cursor, isNameChar: (code: number) => boolean): string {
  const { text, at: from } = cursor;
  if (isDigit(text.charCodeAt(from))) return '';
  while (cursor.at < text.length && isNameChar(text.charCodeAt(cursor.at))) cursor.at++;
  return text.slice(from, cursor.at);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isLabelNameChar(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || isDigit(code) || code === 0x5f;
}

function isMetricNameChar(code: number): boolean {
  return isLabelNameChar(code) || code === 0x3a;
}

const NO_LABELS: ReadonlyMap<string, string> = new Map();

/** `{a="1",b="2"}`, or nothing; undefined when it is neither. A comma may stand after the last. */
function readLabels(cursor: Cursor): ReadonlyMap<string, string> | undefined {
  skipBlanks(cursor);
  if (cursor.text[cursor.at] !== '{') return NO_LABELS;
  cursor.at++;
  const labels = new Map<string, string>();
  for (;;) {
    skipBlanks(cursor);
    if (take(cursor, '}')) return labels;
    const name = readName(cursor, isLabelNameChar);
    skipBlanks(cursor);
    if (name === '' || labels.has(name) || !take(cursor, '=')) return undefined;
    skipBlanks(cursor);
    const value = readQuoted(cursor);
    if (value === undefined) return undefined;
    labels.set(name, value);
    skipBlanks(cursor);
    if (!take(cursor, ',') && cursor.text[cursor.at] !== '}') return undefined;
  }
}

function take(cursor: Cursor, char: string): boolean {
  if (cursor.text[cursor.at] !== char) return false;
  cursor.at++;
  return true;
}

/** A label's value, in which a backslash stands before `\`, `"` and, for a line feed, `n`. */
function readQuoted(cursor: Cursor): string | undefined {
  if (!take(cursor, '"')) return undefined;
  const { text } = cursor;
  let value = '';
  for (let from = cursor.at; cursor.at < text.length; cursor.at++) {
    const char = text[cursor.at];
    if (char === '"') {
      value += text.slice(from, cursor.at++);
      return value;
    }
    if (char !== '\\') continue;
    const escaped = ESCAPES[text[cursor.at + 1] ?? ''];
    if (escaped === undefined) return undefined;
    value += text.slice(from, cursor.at) + escaped;
    cursor.at++;
    from = cursor.at + 1;
  }
  return undefined;
}

const ESCAPES: Record<string, string> = { '\\': '\\', '"': '"', n: '\n' };

function readValue(cursor: Cursor): number | undefined {
  skipBlanks(cursor);
  return parseNumber(readToken(cursor));
}

function readToken(cursor: Cursor): string {
  const { text, at: from } = cursor;
  while (cursor.at < text.length && text[cursor.at] !== ' ' && text[cursor.at] !== '\t') cursor.at++;
  return text.slice(from, cursor.at);
}

/** After the value may come a time, and an exemplar (OpenMetrics), which begins with `#`. */
function atEnd(cursor: Cursor): boolean {
  skipBlanks(cursor);
  if (cursor.at === cursor.text.length || cursor.text[cursor.at] === '#') return true;
  if (parseNumber(readToken(cursor)) === undefined) return false;
  skipBlanks(cursor);
  return cursor.at === cursor.text.length || cursor.text[cursor.at] === '#';
}

const NAMED_NUMBERS: Record<string, number> = {
  NaN: Number.NaN,
  Inf: Number.POSITIVE_INFINITY,
  '+Inf': Number.POSITIVE_INFINITY,
  '-Inf': Number.NEGATIVE_INFINITY,
};

/** A number as Go writes it; undefined for any other text. */
export function parseNumber(text: string): number | undefined {
  if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
  return Object.hasOwn(NAMED_NUMBERS, text) ? NAMED_NUMBERS[text] : undefined;
}
