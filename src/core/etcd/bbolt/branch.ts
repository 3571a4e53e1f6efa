import { compareKeys, ELEMENT_BYTES, PAGE_HEADER_BYTES, type PageHeader, u32, u64 } from './layout.ts';
import { isWithin, type KeyBounds } from './leaf.ts';
import type { Problems, StructureProblem } from './problem.ts';

export interface BranchChild {
  page: number;
  bounds: KeyBounds;
}

interface BranchOptions {
  /** The children's bounds point into it. */
  bytes: Uint8Array;
  header: PageHeader;
  page: number;
  offset: number;
  bounds: KeyBounds;
  problems: Problems<StructureProblem>;
}

/** The children of a branch, each with the keys that may stand below it. `usedBytes` is undefined when only some elements can be trusted. */
export function readBranch(branch: BranchOptions): { children: BranchChild[]; usedBytes: number | undefined } {
  const { page, offset, bounds, problems } = branch;
  const { elements, usedBytes } = readElements(branch);
  const children = elements.map(({ page: child, key }, i): BranchChild => {
    const previous = elements[i - 1]?.key;
    const next = elements[i + 1]?.key ?? bounds.to;
    if (previous !== undefined && compareKeys(previous, key) >= 0) problems.add({ what: 'key_order', page, offset });
    if (!isWithin(key, bounds)) problems.add({ what: 'key_range', page, offset });
    return { page: child, bounds: next === undefined ? { from: key } : { from: key, to: next } };
  });
  return { children, usedBytes };
}

interface BranchElements {
  elements: { page: number; key: Uint8Array }[];
  usedBytes: number | undefined;
}

function readElements({ bytes, header, page, offset, problems }: BranchOptions): BranchElements {
  const elements: BranchElements['elements'] = [];
  const wrong = (
    what: 'element_bounds' | 'element_position' | 'key_empty',
    numbers: { offset: number; expected?: number; found?: number },
  ) => {
    problems.add({ what, page, ...numbers });
    return { elements, usedBytes: undefined };
  };
  let next = PAGE_HEADER_BYTES + header.count * ELEMENT_BYTES;
  if (next > bytes.length) return wrong('element_bounds', { offset, expected: bytes.length, found: next });
  for (let i = 0; i < header.count; i++) {
    const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
    const keyAt = at + u32(bytes, at);
    const end = keyAt + u32(bytes, at + 4);
    if (keyAt !== next) return wrong('element_position', { offset: offset + at, expected: next, found: keyAt });
    if (end > bytes.length) return wrong('element_bounds', { offset: offset + at, expected: bytes.length, found: end });
    if (end === keyAt) return wrong('key_empty', { offset: offset + at });
    elements.push({ page: u64(bytes, at + 8), key: bytes.subarray(keyAt, end) });
    next = end;
  }
  return { elements, usedBytes: next };
}
