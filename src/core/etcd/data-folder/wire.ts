/** Protocol buffers without a schema (protobuf.dev, "Encoding"). */

export const VARINT = 0;
const FIXED64 = 1;
export const BYTES = 2;
const FIXED32 = 5;

/** Varints have seven bits a byte, and 64 in all. */
const VARINT_MAX_BYTES = 10;

/**
 * Reads the fields of a message one after the other; `ok` turns false instead of throwing where the bytes are none. Strict: groups, and numbers in more bytes
 * than they need, which no writer makes, are refused.
 */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  ok = true;
  /** Of the present field. */
  field = 0;
  wireType = 0;
  /** Of a VARINT; not exact from 2^53 on. */
  value = 0;
  /** Of BYTES, FIXED64 and FIXED32: where they stand in the array. Of a VARINT too. */
  from = 0;
  to = 0;

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  /** Goes on to the next field. False at the end, and where nothing can be read: see `ok`. */
  next(): boolean {
    if (this.#at >= this.#end || !this.ok) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0 || this.field > 0x1fff_ffff) this.ok = false;
    if (this.ok) this.#content();
    return this.ok;
  }

  /** The array of the message. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The present field's bytes, as a view. */
  view(): Uint8Array {
    return this.#bytes.subarray(this.from, this.to);
  }

  #content(): void {
    if (this.wireType === VARINT) {
      this.from = this.#at;
      this.value = this.#varint();
      this.to = this.#at;
      return;
    }
    const length = this.wireType === BYTES ? this.#varint() : this.wireType === FIXED64 ? 8 : this.wireType === FIXED32 ? 4 : -1;
    if (length < 0 || length > this.#end - this.#at) {
      this.ok = false;
      return;
    }
    this.from = this.#at;
    this.to = this.#at + length;
    this.#at = this.to;
  }

  #varint(): number {
    let value = 0;
    let unit = 1;
    for (let i = 0; i < VARINT_MAX_BYTES; i++) {
      if (this.#at >= this.#end) break;
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if ((byte === 0 && i > 0) || (i === VARINT_MAX_BYTES - 1 && byte > 1)) break;
        return value;
      }
      unit *= 0x80;
    }
    this.ok = false;
    return 0;
  }
}

/** A varint as all of its 64 bits. */
export function exactVarint(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 7n) | BigInt(byte & 0x7f), 0n);
}
