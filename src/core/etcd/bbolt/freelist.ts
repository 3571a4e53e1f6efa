import { type ByteSource, FREELIST_PAGE, NO_FREELIST, PAGE_HEADER_BYTES, readPageHeader, u64 } from './layout.ts';
import type { Meta } from './meta.ts';
import { PageMap } from './page-map.ts';
import type { Problems, StructureProblem } from './problem.ts';

/** A count of 2^16-1 means that the first number of the list is the count. */
const COUNT_FOLLOWS = 0xffff;
/** Read in pieces, because a list may be as long as the file. */
const PIECE_BYTES = 65_536;
const ID_BYTES = 8;
/** Pages 0 and 1 are the meta pages. */
const FIRST_PAGE = 2;

interface FreelistOptions {
  source: ByteSource;
  meta: Meta;
  /** The pages of the freelist itself are added. */
  reached: PageMap;
  problems: Problems<StructureProblem>;
}

/** The pages that the freelist names; undefined where none was written, or it cannot be read, which is a problem then. */
export function readFreelist({ source, meta, reached, problems }: FreelistOptions): PageMap | undefined {
  if (meta.freelistPage === NO_FREELIST) return undefined;
  const page = Number(meta.freelistPage);
  const size = meta.pageSizeBytes;
  if (page < FIRST_PAGE || page >= reached.pages) {
    problems.add({ what: 'page_beyond', page, expected: reached.pages });
    return undefined;
  }
  const header = readPageHeader(source.read(page * size, PAGE_HEADER_BYTES));
  if (header.id !== page) problems.add({ what: 'page_number', page, offset: page * size, expected: page, found: header.id });
  if (header.flags !== FREELIST_PAGE) {
    problems.add({ what: 'page_kind', page, offset: page * size, expected: 'freelist', found: header.flags });
    return undefined;
  }
  if (page + header.overflow >= reached.pages) {
    problems.add({ what: 'page_overflow', page, offset: page * size, found: header.overflow });
    return undefined;
  }
  for (let i = 0; i <= header.overflow; i++) reached.add(page + i);
  const place = { page, offset: page * size + PAGE_HEADER_BYTES, bytes: (header.overflow + 1) * size - PAGE_HEADER_BYTES };
  return readIds(source, { ...place, count: header.count, pages: reached.pages, problems });
}

interface IdList {
  page: number;
  offset: number;
  /** Room for the list. */
  bytes: number;
  count: number;
  pages: number;
  problems: Problems<StructureProblem>;
}

function readIds(source: ByteSource, { page, offset, bytes, count, pages, problems }: IdList): PageMap | undefined {
  const counted = count === COUNT_FOLLOWS;
  const ids = counted ? u64(source.read(offset, ID_BYTES), 0) : count;
  const start = offset + (counted ? ID_BYTES : 0);
  if (ids * ID_BYTES > bytes - (start - offset)) {
    problems.add({ what: 'freelist_count', page, offset, found: ids });
    return undefined;
  }
  const free = new PageMap(pages);
  let last = 0;
  for (let done = 0; done < ids * ID_BYTES; done += PIECE_BYTES) {
    const piece = source.read(start + done, Math.min(PIECE_BYTES, ids * ID_BYTES - done));
    for (let at = 0; at < piece.length; at += ID_BYTES) {
      const id = u64(piece, at);
      if (id < FIRST_PAGE || id >= pages)
        problems.add({ what: 'freelist_page', page, offset: start + done + at, expected: pages, found: id });
      else if (id <= last || !free.add(id))
        problems.add({ what: 'freelist_order', page, offset: start + done + at, expected: last, found: id });
      last = id;
    }
  }
  return free;
}
