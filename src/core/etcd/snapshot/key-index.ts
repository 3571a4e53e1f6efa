/**
 * Every key of a store and the last that was heard of it, in about 50 bytes a key: a Map of strings takes several hundred. Keys are told apart by 64 bits of a
 * hash whose seed the caller draws, so that nobody can make two keys that look like one; by chance, one of a million million stores of a million keys has two.
 */
export class KeyIndex {
  readonly #seedA: number;
  readonly #seedB: number;
  /** Number of the entry plus one; 0 is empty. Its length is a power of two. */
  #table = new Uint32Array(1024);
  readonly #blocks: Block[] = [];
  #hashA = 0;
  #hashB = 0;
  count = 0;

  constructor(seed: { a: number; b: number }) {
    this.#seedA = seed.a;
    this.#seedB = seed.b;
  }

  /** The number of the key's entry; a new one when `count` was that number before. */
  entryOf(bytes: Uint8Array, at: number, length: number): number {
    this.#hash(bytes, at, length);
    const mask = this.#table.length - 1;
    let slot = this.#hashA & mask;
    for (;;) {
      const entry = (this.#table[slot] as number) - 1;
      if (entry < 0) return this.#add(slot);
      const block = this.#blocks[entry >>> BLOCK_BITS] as Block;
      const i = entry & (BLOCK_ENTRIES - 1);
      if (block.hashA[i] === this.#hashA && block.hashB[i] === this.#hashB) return entry;
      slot = (slot + 1) & mask;
    }
  }

  get(entry: number): { createRevision: number; version: number; liveBytes: number; group: number } {
    const { block, i } = this.#place(entry);
    return {
      createRevision: block.createRevision[i] as number,
      version: block.version[i] as number,
      liveBytes: block.liveBytes[i] as number,
      group: block.group[i] as number,
    };
  }

  /** `liveBytes` 0: deleted. */
  set(entry: number, last: { createRevision: number; version: number; liveBytes: number }): void {
    const { block, i } = this.#place(entry);
    block.createRevision[i] = last.createRevision;
    block.version[i] = last.version;
    block.liveBytes[i] = last.liveBytes;
  }

  setGroup(entry: number, group: number): void {
    const { block, i } = this.#place(entry);
    block.group[i] = group;
  }

  #place(entry: number): { block: Block; i: number } {
    return { block: this.#blocks[entry >>> BLOCK_BITS] as Block, i: entry & (BLOCK_ENTRIES - 1) };
  }

  #add(slot: number): number {
    const entry = this.count++;
    if (entry >>> BLOCK_BITS === this.#blocks.length) this.#blocks.push(newBlock());
    const { block, i } = this.#place(entry);
    block.hashA[i] = this.#hashA;
    block.hashB[i] = this.#hashB;
    this.#table[slot] = entry + 1;
    if (this.count * 4 > this.#table.length * 3) this.#grow();
    return entry;
  }

  #grow(): void {
    const table = new Uint32Array(this.#table.length * 2);
    const mask = table.length - 1;
    for (let entry = 0; entry < this.count; entry++) {
      const { block, i } = this.#place(entry);
      let slot = (block.hashA[i] as number) & mask;
      while (table[slot] !== 0) slot = (slot + 1) & mask;
      table[slot] = entry + 1;
    }
    this.#table = table;
  }

  /** Two chains of MurmurHash3's steps over words of four bytes, each fed by the other. */
  #hash(bytes: Uint8Array, at: number, length: number): void {
    let a = this.#seedA ^ length;
    let b = this.#seedB;
    const end = at + length;
    for (let i = at; i < end; i += 4) {
      let word = bytes[i] as number;
      if (i + 1 < end) word |= (bytes[i + 1] as number) << 8;
      if (i + 2 < end) word |= (bytes[i + 2] as number) << 16;
      if (i + 3 < end) word |= (bytes[i + 3] as number) << 24;
      a ^= Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
      a = (Math.imul(rotate(a, 13), 5) + b + 0xe6546b64) | 0;
      b ^= Math.imul(rotate(Math.imul(word, 0x239b961b), 17), 0x38b34ae5);
      b = (Math.imul(rotate(b, 15), 5) + a + 0x561ccd1b) | 0;
    }
    this.#hashA = finish(a) >>> 0;
    this.#hashB = (finish(b ^ rotate(a, 7)) ^ this.#hashA) >>> 0;
  }
}

const BLOCK_BITS = 14;
const BLOCK_ENTRIES = 1 << BLOCK_BITS;

interface Block {
  hashA: Uint32Array;
  hashB: Uint32Array;
  createRevision: Float64Array;
  version: Float64Array;
  liveBytes: Uint32Array;
  group: Uint32Array;
}

function newBlock(): Block {
  const words = () => new Uint32Array(BLOCK_ENTRIES);
  const doubles = () => new Float64Array(BLOCK_ENTRIES);
  return { hashA: words(), hashB: words(), createRevision: doubles(), version: doubles(), liveBytes: words(), group: words() };
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function finish(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
