import { type BranchChild, readBranch } from './branch.ts';
import { readFreelist } from './freelist.ts';
import { BRANCH_PAGE, type ByteSource, LEAF_PAGE, type PageHeader, readPageHeader } from './layout.ts';
import { type BucketEntry, type ElementVisitor, type KeyBounds, readLeaf } from './leaf.ts';
import { type Meta, readMetas } from './meta.ts';
import { PageMap } from './page-map.ts';
import type { Problems, StructureProblem } from './problem.ts';

export interface StructureOptions {
  source: ByteSource;
  problems: Problems<StructureProblem>;
  /** A transaction that is copied as a whole ends where its pages do; a file that bbolt has open may be longer, by whole pages. */
  endsWithPages: boolean;
  /** Buckets that are read before the others. */
  first: readonly string[];
  /** Who sees the elements of a bucket; undefined when nobody does. Not asked for buckets in buckets. */
  visitorOf(bucket: string): ElementVisitor | undefined;
}

export interface Structure {
  meta: Meta;
  /** In use: all but the free. */
  pagesInUse: number;
  /** By name, with the pages below it. */
  buckets: { name: string; pages: number }[];
  /** Buckets within buckets. */
  nestedBuckets: number;
}

/** bbolt never makes a tree that is nearly as deep, and etcd no buckets in buckets. */
const MAX_DEPTH = 64;
const MAX_NESTED = 8;
/** A run of pages that one leaf takes: a value, of which etcd takes 1.5 MiB as it is delivered, and at most three more before the leaf is split. */
const MAX_RUN_BYTES = 128 * 1024 * 1024;
/** Pages between two chances for others to run. */
const SLICE_PAGES = 1024;

/**
 * Reads every page that is in use, once, and checks the structure as `bbolt check` does and a little beyond: pages know their number, are reached exactly once and
 * are not in the freelist, keys ascend within a page and over all pages, elements follow one another and end within the page. Yields the bytes done now and then.
 * Reads only within the source and ends for whatever it holds. Undefined when there is no page to begin with.
 */
export function* checkStructure(options: StructureOptions): Generator<number, Structure | undefined> {
  const { source, problems } = options;
  const meta = readMetas(source, problems);
  if (meta === undefined) return undefined;
  const { pageSizeBytes, pageCount } = meta;
  const held = Math.floor(source.sizeBytes / pageSizeBytes);
  const isWhole = source.sizeBytes % pageSizeBytes === 0 && !(options.endsWithPages && pageCount * pageSizeBytes !== source.sizeBytes);
  if (pageCount > held || !isWhole) {
    problems.add({ what: pageCount > held ? 'file_short' : 'file_size', expected: pageCount * pageSizeBytes, found: source.sizeBytes });
  }
  return yield* new Walk(options, meta, Math.min(pageCount, held)).run();
}

interface Tree {
  /** How many buckets it is in. */
  level: number;
  visit: ElementVisitor | undefined;
  /** Buckets found in it. */
  found: BucketEntry[];
}

interface Opened {
  header: PageHeader;
  /** The page with those that continue it. */
  bytes: Uint8Array;
}

class Walk {
  readonly #options: StructureOptions;
  readonly #meta: Meta;
  readonly #reached: PageMap;
  #free: PageMap | undefined;
  #sliceEnd = SLICE_PAGES;
  #nestedBuckets = 0;

  constructor(options: StructureOptions, meta: Meta, pages: number) {
    this.#options = options;
    this.#meta = meta;
    this.#reached = new PageMap(pages);
  }

  *run(): Generator<number, Structure> {
    const { source, problems, first, visitorOf } = this.#options;
    for (const page of [0, 1]) if (page < this.#reached.pages) this.#reached.add(page);
    this.#free = readFreelist({ source, meta: this.#meta, reached: this.#reached, problems });
    const noBucket: ElementVisitor = ({ page, offset, keyAt }) =>
      problems.add({ what: 'element_flags', page, offset: offset + keyAt, found: 0 });
    const root: Tree = { level: 0, visit: noBucket, found: [] };
    yield* this.#walk({ page: this.#meta.rootPage, tree: root, bounds: {}, depth: 0 });
    const rank = ({ name }: BucketEntry) => (first.includes(name) ? first.indexOf(name) : first.length);
    const buckets: Structure['buckets'] = [];
    for (const entry of root.found.toSorted((a, b) => rank(a) - rank(b))) {
      const before = this.#reached.count;
      yield* this.#bucket(entry, { level: 1, visit: visitorOf(entry.name), found: [] });
      buckets.push({ name: entry.name, pages: this.#reached.count - before });
    }
    this.#findLost();
    return { meta: this.#meta, pagesInUse: this.#reached.count, buckets, nestedBuckets: this.#nestedBuckets };
  }

  *#bucket(entry: BucketEntry, tree: Tree): Generator<number, void> {
    const { problems } = this.#options;
    if (entry.inline === undefined) yield* this.#walk({ page: entry.root, tree, bounds: {}, depth: 0 });
    else {
      const { bytes, page, offset } = entry.inline;
      const header = readPageHeader(bytes);
      if (header.flags !== LEAF_PAGE || header.id !== 0 || header.overflow !== 0) problems.add({ what: 'bucket_header', page, offset });
      else readLeaf({ bytes, header, page, offset, isInline: true, bounds: {}, problems, visit: tree.visit, found: tree.found });
    }
    this.#nestedBuckets += tree.found.length;
    if (tree.level === MAX_NESTED && tree.found.length > 0) return problems.add({ what: 'tree_deep', expected: MAX_NESTED });
    for (const nested of tree.found) yield* this.#bucket(nested, { level: tree.level + 1, visit: undefined, found: [] });
  }

  *#walk(at: { page: number; tree: Tree; bounds: KeyBounds; depth: number }): Generator<number, void> {
    const { page, tree, bounds, depth } = at;
    const { problems } = this.#options;
    const opened = this.#open(page);
    if (opened === undefined) return;
    if (this.#reached.count >= this.#sliceEnd) {
      this.#sliceEnd = this.#reached.count + SLICE_PAGES;
      yield this.#reached.count * this.#meta.pageSizeBytes;
    }
    const { header } = opened;
    const offset = page * this.#meta.pageSizeBytes;
    if (header.count === 0 && (header.flags === BRANCH_PAGE || depth > 0)) return problems.add({ what: 'page_empty', page, offset });
    if (header.flags === LEAF_PAGE) {
      const bytes = this.#whole(page, opened);
      if (bytes === undefined) return;
      const used = readLeaf({ bytes, header, page, offset, isInline: false, bounds, problems, visit: tree.visit, found: tree.found });
      return this.#checkOverflow(page, header, used);
    }
    if (depth === MAX_DEPTH) return problems.add({ what: 'tree_deep', page, offset, expected: MAX_DEPTH });
    const children = this.#children(page, opened, bounds);
    for (const child of children) yield* this.#walk({ page: child.page, tree, bounds: child.bounds, depth: depth + 1 });
  }

  #children(page: number, opened: Opened, bounds: KeyBounds): BranchChild[] {
    const whole = this.#whole(page, opened);
    if (whole === undefined) return [];
    // A copy, because the next read overwrites what the source gave; `slice` of a Buffer is none.
    const bytes = new Uint8Array(whole);
    const offset = page * this.#meta.pageSizeBytes;
    const { children, usedBytes } = readBranch({ bytes, header: opened.header, page, offset, bounds, problems: this.#options.problems });
    this.#checkOverflow(page, opened.header, usedBytes);
    return children;
  }

  /** Counts a page as reached, with those that continue it, and gives its first bytes; undefined when it cannot be read as a part of a tree. */
  #open(page: number): Opened | undefined {
    const { source, problems } = this.#options;
    const size = this.#meta.pageSizeBytes;
    if (page < 2 || page >= this.#reached.pages) {
      problems.add({ what: 'page_beyond', page, expected: this.#reached.pages });
      return undefined;
    }
    const offset = page * size;
    const bytes = source.read(offset, size);
    const header = readPageHeader(bytes);
    if (header.id !== page) problems.add({ what: 'page_number', page, offset, expected: page, found: header.id });
    if (header.flags !== BRANCH_PAGE && header.flags !== LEAF_PAGE) {
      problems.add({ what: 'page_kind', page, offset, expected: 'branch or leaf', found: header.flags });
      return undefined;
    }
    return this.#claim(page, header) ? { header, bytes } : undefined;
  }

  /** False when the page was reached before, or its continuation does not lie within the file. */
  #claim(page: number, { overflow }: PageHeader): boolean {
    const { problems } = this.#options;
    const offset = page * this.#meta.pageSizeBytes;
    if (page + overflow >= this.#reached.pages) {
      problems.add({ what: 'page_overflow', page, offset, found: overflow });
      return false;
    }
    for (let id = page; id <= page + overflow; id++) {
      if (this.#free?.has(id)) problems.add({ what: 'page_free', page: id, offset });
      // No further: what follows belongs to whoever was here before.
      if (!this.#reached.add(id)) {
        problems.add({ what: 'page_twice', page: id, offset });
        return false;
      }
    }
    return true;
  }

  #whole(page: number, { header, bytes }: Opened): Uint8Array | undefined {
    if (header.overflow === 0) return bytes;
    const size = this.#meta.pageSizeBytes;
    const length = (header.overflow + 1) * size;
    if (length <= MAX_RUN_BYTES) return this.#options.source.read(page * size, length);
    this.#options.problems.add({ what: 'page_huge', page, offset: page * size, expected: MAX_RUN_BYTES, found: length });
    return undefined;
  }

  /** As many pages as the elements need. Early versions of bbolt took one more when they ended with a page. */
  #checkOverflow(page: number, { overflow }: PageHeader, usedBytes: number | undefined): void {
    if (usedBytes === undefined) return;
    const size = this.#meta.pageSizeBytes;
    if (overflow + 1 === Math.ceil(usedBytes / size) || overflow === Math.floor(usedBytes / size)) return;
    const expected = Math.ceil(usedBytes / size) - 1;
    this.#options.problems.add({ what: 'page_overflow', page, offset: page * size, expected, found: overflow });
  }

  #findLost(): void {
    const free = this.#free;
    if (free === undefined) return;
    for (let page = 0; page < this.#reached.pages; page++) {
      if (!this.#reached.has(page) && !free.has(page)) this.#options.problems.add({ what: 'page_lost', page });
    }
  }
}
