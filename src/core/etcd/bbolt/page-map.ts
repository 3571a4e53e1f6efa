/** Which pages of a file were met: one bit a page. */
export class PageMap {
  readonly #bits: Uint8Array;
  readonly pages: number;
  count = 0;

  constructor(pages: number) {
    this.pages = pages;
    this.#bits = new Uint8Array(Math.ceil(pages / 8));
  }

  has(page: number): boolean {
    return ((this.#bits[page >>> 3] as number) & (1 << (page & 7))) !== 0;
  }

  /** False when it was there already. */
  add(page: number): boolean {
    if (this.has(page)) return false;
    this.#bits[page >>> 3] = (this.#bits[page >>> 3] as number) | (1 << (page & 7));
    this.count++;
    return true;
  }
}
