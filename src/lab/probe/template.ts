/** A frame that is sent again and again with a few words changed; building it anew a thousand times a second would cost the machine that is measured. */
export class FrameTemplate {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #checksumAt: number | undefined;

  /** `checksumAt` is where the Internet checksum stands that covers all words which will change; absent when nothing does. */
  constructor(frame: Uint8Array, checksumAt?: number) {
    this.bytes = Uint8Array.from(frame);
    this.#view = new DataView(this.bytes.buffer);
    this.#checksumAt = checksumAt;
  }

  /** At an even distance from the start of what the checksum covers. The checksum follows by RFC 1624, equation 3. */
  set16(at: number, value: number): this {
    if (this.#checksumAt !== undefined) {
      let sum = (~this.#view.getUint16(this.#checksumAt) & 0xffff) + (~this.#view.getUint16(at) & 0xffff) + value;
      sum = (sum & 0xffff) + (sum >>> 16);
      this.#view.setUint16(this.#checksumAt, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
    }
    this.#view.setUint16(at, value);
    return this;
  }

  set32(at: number, value: number): this {
    return this.set16(at, value >>> 16).set16(at + 2, value & 0xffff);
  }
}
