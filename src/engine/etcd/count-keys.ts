import { utf8 } from '../../base/utf8.ts';
import type { KeyRange } from '../../core/etcd/key-range.ts';
import { KeyTree } from '../../core/etcd/kubernetes/key-tree.ts';
import { type KeyGroup, KeyGroups } from '../../core/etcd/kubernetes/key-groups.ts';
import type { Etcd } from '../../ports/etcd.ts';
import { readKeys } from './read-keys.ts';

export interface CountOptions {
  range: KeyRange;
  /** Folder that all keys are in, with its slash. */
  base: string;
  depth: number;
  /** Sizes of values too; without them only the keys are asked for. */
  withSizes: boolean;
  serializable: boolean;
  /** Root of Kubernetes' keys where that is more than one folder. */
  prefix?: string;
  signal: { throwIfAborted(): void };
  /** Keys that are done, of all. */
  onProgress: (done: number, all: number) => void;
}

export interface KeyCount {
  revision: number;
  tree: KeyTree;
  groups: (KeyGroup & { keys: number; bytes: number })[];
}

/** Counts the keys of a range at one revision, by folder and by resource. */
export async function countKeys(etcd: Etcd, options: CountOptions): Promise<KeyCount> {
  const { range, base, depth, withSizes, serializable, signal } = options;
  const tree = new KeyTree({ base, depth });
  const resources = new KeyGroups(options.prefix);
  const sums: { keys: number; bytes: number }[] = [];
  let revision = 0;
  let done = 0;
  for await (const part of readKeys(etcd, { range, keysOnly: !withSizes, serializable, signal })) {
    revision = part.revision;
    for (const { key, value } of part.kvs) {
      const bytes = key.length + value.length;
      tree.add(utf8(key), bytes);
      const sum = (sums[resources.groupOf(key, 0, key.length)] ??= { keys: 0, bytes: 0 });
      sum.keys++;
      sum.bytes += bytes;
    }
    done += part.kvs.length;
    options.onProgress(done, done - part.kvs.length + part.count);
  }
  return { revision, tree, groups: resources.groups.map((group, i) => ({ ...group, ...(sums[i] ?? { keys: 0, bytes: 0 }) })) };
}
