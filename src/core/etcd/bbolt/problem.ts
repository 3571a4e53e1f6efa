/** What is wrong with a file, as data; `wording.ts` beside the snapshot's content has the sentences. */

export interface Problem<What extends string> {
  what: What;
  /** Number of the page. */
  page?: number;
  /** Where in the file, in bytes. */
  offset?: number;
  expected?: number | string;
  found?: number | string;
}

export type StructureProblem = Problem<
  | 'file_short'
  | 'file_size'
  | 'meta_magic'
  | 'meta_version'
  | 'meta_page_size'
  | 'meta_checksum'
  | 'meta_page'
  | 'meta_none'
  | 'page_number'
  | 'page_kind'
  | 'page_beyond'
  | 'page_twice'
  | 'page_free'
  | 'page_lost'
  | 'page_overflow'
  | 'page_huge'
  | 'page_empty'
  | 'tree_deep'
  | 'element_flags'
  | 'element_position'
  | 'element_bounds'
  | 'key_empty'
  | 'key_order'
  | 'key_range'
  | 'bucket_header'
  | 'freelist_count'
  | 'freelist_page'
  | 'freelist_order'
>;

/** Problems are kept up to a number, and counted beyond it: one bad branch may cost a million keys. */
export class Problems<P> {
  readonly #kept: P[] = [];
  readonly #limit: number;
  count = 0;

  constructor(limit = 100) {
    this.#limit = limit;
  }

  add(problem: P): void {
    this.count++;
    if (this.#kept.length < this.#limit) this.#kept.push(problem);
  }

  get kept(): readonly P[] {
    return this.#kept;
  }
}
