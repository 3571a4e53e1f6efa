import type { KeyGroup } from './key-groups.ts';

/** What the keys of one group take. */
export interface GroupSum extends KeyGroup {
  keys: number;
  /** Of keys and values that live. */
  bytes: number;
  /** Changes that are stored, the newest of each key among them. */
  revisions: number;
  /** Of all of them. */
  revisionBytes: number;
}

export const NO_SUM = { keys: 0, bytes: 0, revisions: 0, revisionBytes: 0 };

/** What people call a group, where Kubernetes has written the keys below `roots`. */
export function groupName({ root, resource }: KeyGroup, roots: readonly string[]): string {
  if (root === '') return resource === '' ? '(no folder)' : resource;
  if (resource === '') return `${root}/`;
  return roots.length === 1 && roots[0] === root ? resource : `${root}/${resource}`;
}

/** By what they take, most first. */
export function sortedSums(sums: readonly GroupSum[]): GroupSum[] {
  return sums.toSorted((a, b) => b.revisionBytes - a.revisionBytes || b.bytes - a.bytes || b.keys - a.keys);
}
