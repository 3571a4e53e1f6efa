/** Takes a stream of bytes apart at other places than it came in. Holds at most one of the stream's own pieces besides what it hands out. */
export class StreamReader {
  readonly #source: AsyncIterator<Uint8Array>;
  /** What came and was not taken. */
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** A copy of the next `count` bytes; fewer only at the end. */
  async take(count: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(count);
    let used = 0;
    while (used < count && !(await this.isAtEnd())) {
      const part = this.#rest.subarray(0, count - used);
      bytes.set(part, used);
      used += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return bytes.subarray(0, used);
  }

  /** Up to and with the next line break; undefined when none comes within `limit` bytes. */
  async takeLine(limit: number): Promise<string | undefined> {
    const parts: Uint8Array[] = [];
    for (let length = 0; length < limit && !(await this.isAtEnd()); ) {
      const end = this.#rest.indexOf(0x0a);
      const part = this.#rest.slice(0, end === -1 ? undefined : end + 1);
      parts.push(part);
      length += part.length;
      this.#rest = this.#rest.subarray(part.length);
      if (end !== -1) return Buffer.concat(parts).toString('latin1');
    }
    return undefined;
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#ended) {
      const { value, done } = await this.#source.next();
      if (done === true) this.#ended = true;
      else this.#rest = value;
    }
    return this.#rest.length === 0;
  }

  /** What is left, as it comes. */
  async *remaining(): AsyncGenerator<Uint8Array> {
    try {
      while (!(await this.isAtEnd())) {
        const part = this.#rest;
        this.#rest = new Uint8Array(0);
        yield part;
      }
    } finally {
      await this.close();
    }
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#source.return?.();
  }
}
