import { parseJson } from './answer.ts';

const NEWLINE = 0x0a;

/** Cuts bytes as they come into lines, each a JSON document. Holds no more than the line that is not whole yet. */
export class JsonLines {
  readonly #lineBytesMax: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(options: { lineBytesMax: number }) {
    this.#lineBytesMax = options.lineBytesMax;
  }

  /** The documents that end in these bytes. Throws on a line that is no JSON, or longer than `lineBytesMax`. */
  push(chunk: Buffer): unknown[] {
    const documents: unknown[] = [];
    let from = 0;
    // In UTF-8 that byte is a newline and nothing else, and JSON has none within a text.
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#count(end - from);
      const text = this.#parts.length === 0 ? chunk.toString('utf8', from, end) : this.#join(chunk.subarray(from, end));
      this.#bytes = 0;
      from = end + 1;
      if (text !== '') documents.push(parseJson(text));
    }
    if (from < chunk.length) {
      this.#count(chunk.length - from);
      this.#parts.push(chunk.subarray(from));
    }
    return documents;
  }

  #join(last: Buffer): string {
    const text = Buffer.concat([...this.#parts, last]).toString();
    this.#parts = [];
    return text;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#lineBytesMax) throw new Error(`a line of more than ${this.#lineBytesMax} bytes`);
  }
}
