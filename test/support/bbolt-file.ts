/** Writes files of bbolt for tests, as bbolt itself lays them out (go.etcd.io/bbolt, node.go): so that what reads them is tried without an etcd. */

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

export interface BboltOptions {
  pageSizeBytes?: number;
  /** Writes a freelist; etcd writes none. */
  freelist?: boolean;
  /** Pages that nobody uses, among the others. */
  freePages?: number;
}

const META = 4;
const LEAF = 2;
const BRANCH = 1;
const FREELIST = 16;
const NONE = 0xffff_ffff_ffff_ffffn;

/** Buckets by name, each with its keys and values in any order. A bucket that is small is kept inline, as bbolt does. */
export function bboltFile(buckets: Record<string, readonly Entry[]>, options: BboltOptions = {}): Buffer {
  const { pageSizeBytes = 4096, freelist = false, freePages = 0 } = options;
  const pages = new Pages(pageSizeBytes);
  const free = Array.from({ length: freePages }, () => pages.allocate(1));
  const root = Object.entries(buckets).map(([name, entries]): Item => {
    const sorted = entries.map(([key, value]) => ({ flags: 0, key: Buffer.from(key), value: Buffer.from(value) })).sort(byKey);
    const leaf = nodeBytes(sorted, LEAF);
    const isInline = leaf.length <= pageSizeBytes / 4;
    const header = Buffer.alloc(16);
    if (!isInline) header.writeBigUInt64LE(BigInt(pages.tree(sorted)));
    return { flags: 1, key: Buffer.from(name), value: isInline ? Buffer.concat([header, leaf]) : header };
  });
  const rootPage = pages.tree(root.sort(byKey));
  const freelistPage = freelist ? BigInt(pages.write(freelistBytes(free))) : NONE;
  return pages.finish({ rootPage, freelistPage });
}

interface Item {
  flags: number;
  key: Buffer;
  value: Buffer;
}

function byKey(a: Item, b: Item): number {
  return Buffer.compare(a.key, b.key);
}

/** A page's bytes without its number and overflow. */
function nodeBytes(items: readonly Item[], kind: typeof LEAF | typeof BRANCH): Buffer {
  const head = Buffer.alloc(16 + items.length * 16);
  head.writeUInt16LE(kind, 8);
  head.writeUInt16LE(items.length, 10);
  let next = head.length;
  const data: Buffer[] = [];
  for (const [i, { flags, key, value }] of items.entries()) {
    const at = 16 + i * 16;
    if (kind === LEAF) {
      for (const [j, number] of [flags, next - at, key.length, value.length].entries()) head.writeUInt32LE(number, at + j * 4);
      data.push(key, value);
      next += key.length + value.length;
    } else {
      head.writeUInt32LE(next - at, at);
      head.writeUInt32LE(key.length, at + 4);
      value.copy(head, at + 8);
      data.push(key);
      next += key.length;
    }
  }
  return Buffer.concat([head, ...data]);
}

function freelistBytes(free: readonly number[]): Buffer {
  const bytes = Buffer.alloc(16 + free.length * 8);
  bytes.writeUInt16LE(FREELIST, 8);
  bytes.writeUInt16LE(free.length, 10);
  for (const [i, page] of free.entries()) bytes.writeBigUInt64LE(BigInt(page), 16 + i * 8);
  return bytes;
}

class Pages {
  readonly #size: number;
  readonly #written = new Map<number, Buffer>();
  #count = 2;

  constructor(pageSizeBytes: number) {
    this.#size = pageSizeBytes;
  }

  allocate(pages: number): number {
    this.#count += pages;
    return this.#count - pages;
  }

  write(bytes: Buffer): number {
    const pages = Math.ceil(bytes.length / this.#size);
    const page = this.allocate(pages);
    bytes.writeBigUInt64LE(BigInt(page), 0);
    bytes.writeUInt32LE(pages - 1, 12);
    this.#written.set(page, bytes);
    return page;
  }

  /** Leaves of two items at least, of at most a page where they fit, and branches above them. */
  tree(items: readonly Item[]): number {
    let kind: typeof LEAF | typeof BRANCH = LEAF;
    let level = items;
    for (;;) {
      const nodes = this.#split(level);
      const written = nodes.map((node) => {
        const value = Buffer.alloc(8);
        value.writeBigUInt64LE(BigInt(this.write(nodeBytes(node, kind))));
        return { flags: 0, key: node[0]?.key ?? Buffer.alloc(0), value };
      });
      if (written.length === 1) return Number((written[0] as Item).value.readBigUInt64LE());
      level = written;
      kind = BRANCH;
    }
  }

  #split(items: readonly Item[]): Item[][] {
    const nodes: Item[][] = [[]];
    let used = 16;
    for (const [i, item] of items.entries()) {
      const size = 16 + item.key.length + item.value.length;
      if ((nodes.at(-1) as Item[]).length >= 2 && used + size > this.#size && items.length - i >= 2) {
        nodes.push([]);
        used = 16;
      }
      (nodes.at(-1) as Item[]).push(item);
      used += size;
    }
    return nodes;
  }

  finish(meta: { rootPage: number; freelistPage: bigint }): Buffer {
    const file = Buffer.alloc(this.#count * this.#size);
    for (const [page, bytes] of this.#written) bytes.copy(file, page * this.#size);
    for (const page of [0, 1]) {
      const at = page * this.#size;
      file.writeBigUInt64LE(BigInt(page), at);
      file.writeUInt16LE(META, at + 8);
      file.writeUInt32LE(0xed0cdaed, at + 16);
      file.writeUInt32LE(2, at + 20);
      file.writeUInt32LE(this.#size, at + 24);
      file.writeBigUInt64LE(BigInt(meta.rootPage), at + 32);
      file.writeBigUInt64LE(meta.freelistPage, at + 48);
      file.writeBigUInt64LE(BigInt(this.#count), at + 56);
      // A transaction of an even number is in page 0: this is a copy as of transaction 8, whose other page says 7.
      file.writeBigUInt64LE(BigInt(8 - page), at + 64);
    }
    return sealMetas(file);
  }
}

/** Puts right the checksums of both meta pages. */
export function sealMetas(file: Buffer): Buffer {
  const size = file.length >= 28 ? file.readUInt32LE(24) : 0;
  for (const at of [0, size]) {
    if (at + 80 > file.length) continue;
    let hash = 0xcbf29ce484222325n;
    for (const byte of file.subarray(at + 16, at + 72)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
    file.writeBigUInt64LE(hash, at + 72);
  }
  return file;
}
