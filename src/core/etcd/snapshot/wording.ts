import { printable } from '../../../base/printable.ts';
import type { Problem, StructureProblem } from '../bbolt/problem.ts';
import type { ContentProblem } from './content.ts';

type Said = Problem<string>;

const expectedFound = ({ expected, found }: Said): string => `${expected} expected, ${found} found`;

/** What each problem means, without its place. */
const sentences: Record<StructureProblem['what'] | ContentProblem['what'], (problem: Said) => string> = {
  file_short: ({ expected, found }) => `the file ends at ${found} bytes, and must have ${expected}`,
  file_size: ({ expected, found }) => `the file has ${found} bytes, and its pages take ${expected}`,
  meta_magic: (problem) => `this is no database of bbolt, which begins with another number: ${expectedFound(problem)}`,
  meta_version: (problem) => `the layout is of another version: ${expectedFound(problem)}`,
  meta_page_size: ({ expected, found }) =>
    `the size of pages cannot be ${found}${expected === undefined ? '' : `, where the first page says ${expected}`}`,
  meta_checksum: (problem) => `the page's checksum is wrong: ${expectedFound(problem)}`,
  meta_page: () => 'the page does not call itself a meta page',
  meta_none: () => 'neither of the two meta pages is right, so nothing can be read',
  page_number: ({ found }) => `the page calls itself page ${found}`,
  page_kind: (problem) => `the page is of the wrong kind: ${expectedFound(problem)}`,
  page_beyond: ({ expected }) => `the page is named, and pages end at ${expected}`,
  page_twice: () => 'the page is reached twice',
  page_free: () => 'the page is in use and free at once',
  page_lost: () => 'the page is neither in use nor free',
  page_overflow: ({ expected, found }) =>
    `the page goes on for ${found} more${expected === undefined ? ', beyond the end' : `, and its elements need ${expected}`}`,
  page_huge: ({ expected, found }) => `one value takes ${found} bytes, and etcd never stores more than ${expected}`,
  page_empty: () => 'the page is empty, in the middle of a tree',
  tree_deep: ({ expected }) => `the tree is deeper than ${expected}`,
  element_flags: ({ found }) => `an element has flags that it cannot have: ${found}`,
  element_position: (problem) => `an element does not follow the one before it: ${expectedFound(problem)}`,
  element_bounds: ({ expected, found }) => `an element ends at ${found}, and its page at ${expected}`,
  key_empty: () => 'a key is empty',
  key_order: () => 'a key does not come after the one before it',
  key_range: () => 'a key does not belong below the branch that leads to it',
  bucket_header: () => 'a bucket does not say where it is',
  freelist_count: ({ found }) => `the list of free pages is said to have ${found}, and has no room for them`,
  freelist_page: (problem) => `the list of free pages names one that cannot be: pages end at ${problem.expected}, ${problem.found} found`,
  freelist_order: ({ expected, found }) => `the list of free pages does not ascend: ${found} after ${expected}`,
  bucket_missing: ({ expected }) => `the bucket ${expected} is missing`,
  bucket_unknown: ({ found }) => `there is a bucket ${found}, which etcd does not have`,
  bucket_nested: ({ found }) => `${found} buckets are in other buckets, and etcd makes none`,
  meta_malformed: ({ found }) => `etcd's note ${found} cannot be read`,
  revision_malformed: () => 'a record has no revision that can be',
  record_malformed: ({ found }) => `what was stored at revision ${found} cannot be read`,
  record_deletion: ({ found }) => `the deletion at revision ${found} holds more than a key`,
  record_revision: ({ found }) => `what was stored at revision ${found} says that it is of another`,
  record_version: ({ found }) => `what was stored at revision ${found} has a version that it cannot have`,
  history_gap: ({ found }) => `the change before that of revision ${found} is missing from the history of its key`,
  history_create: ({ found }) =>
    `what was stored at revision ${found} says that its key was made at another revision than the change before says`,
  member_malformed: () => 'a member of the cluster cannot be read',
  alarm_malformed: () => 'an alarm cannot be read',
  lease_malformed: () => 'a lease cannot be read',
  user_malformed: () => 'a user cannot be read',
};

/** What is wrong and where, in a line. */
export function problemText(problem: StructureProblem | ContentProblem): string {
  const { page, offset, what } = problem;
  const place = [page === undefined ? '' : `page ${page}`, offset === undefined ? '' : `byte ${offset}`]
    .filter((part) => part !== '')
    .join(', ');
  return printable(`${place === '' ? '' : `${place}: `}${sentences[what](problem)}`);
}
