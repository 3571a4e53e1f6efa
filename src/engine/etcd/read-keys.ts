import { keyAfter, type KeyRange } from '../../core/etcd/key-range.ts';
import type { Etcd, EtcdRange } from '../../ports/etcd.ts';

export interface ReadKeysOptions {
  range: KeyRange;
  /** Without values. */
  keysOnly: boolean;
  /** What the member that is asked has, without a quorum. */
  serializable: boolean;
  signal: { throwIfAborted(): void };
}

/** Values may be 1.5 MiB each, and as many large ones may follow small ones. */
const MOST_VALUES = 100;
const MOST_KEYS = 2000;

/** All keys of a range as they were at one revision, in parts, so that little is in memory and etcd answers others in between. */
export async function* readKeys(etcd: Etcd, { range, keysOnly, serializable, signal }: ReadKeysOptions): AsyncGenerator<EtcdRange> {
  const limit = keysOnly ? MOST_KEYS : MOST_VALUES;
  let from = range.from;
  let revision = 0;
  for (;;) {
    signal.throwIfAborted();
    const part = await etcd.range(from, { rangeEnd: range.to, limit, keysOnly, serializable, revision });
    if (revision === 0) revision = part.revision;
    yield { ...part, revision };
    const last = part.kvs.at(-1);
    if (!part.more || last === undefined) return;
    from = keyAfter(last.key);
  }
}
