/** Reads big-endian fields from untrusted bytes; `ok` turns false instead of throwing when they run out. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;
  ok = true;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /** An unsigned number of `count` bytes. */
  #number(count: number): number {
    const bytes = this.#bytes;
    const end = this.#offset + count;
    if (!this.ok || end > bytes.length) {
      this.ok = false;
      return 0;
    }
    let value = 0;
    for (let at = this.#offset; at < end; at++) value = value * 0x100 + (bytes[at] as number);
    this.#offset = end;
    return value;
  }

  u8(): number {
    return this.#number(1);
  }

  u16(): number {
    return this.#number(2);
  }

  u32(): number {
    return this.#number(4);
  }

  /** 48 bits: counters that must stay exact in a double. */
  u48(): number {
    return this.#number(6);
  }

  /** A view, not a copy. */
  bytes(count: number): Uint8Array {
    const at = this.#offset;
    if (!this.ok || this.remaining < count) {
      this.ok = false;
      return new Uint8Array(0);
    }
    this.#offset = at + count;
    return this.#bytes.subarray(at, at + count);
  }
}

/** Writes big-endian fields. Typed arrays and views are slow to make, and simulations write millions of messages: the one array is made at the end. */
export class ByteWriter {
  readonly #bytes: number[] = [];

  u8(value: number): this {
    this.#bytes.push(value & 0xff);
    return this;
  }

  u16(value: number): this {
    this.#bytes.push((value >>> 8) & 0xff, value & 0xff);
    return this;
  }

  u32(value: number): this {
    this.#bytes.push((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
    return this;
  }

  u48(value: number): this {
    return this.u16(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
  }

  bytes(value: Uint8Array): this {
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  finish(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }
}
