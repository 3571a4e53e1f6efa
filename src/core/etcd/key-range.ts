/** [from, to) as etcd takes it. */
export interface KeyRange {
  from: Uint8Array;
  to: Uint8Array;
}

/** All keys that begin with the bytes; all keys for none. A single zero byte stands for "from the first" and for "without end" (rpc.proto, RangeRequest). */
export function rangeOf(prefix: Uint8Array): KeyRange {
  const end = prefix.findLastIndex((byte) => byte < 0xff);
  const none = Uint8Array.of(0);
  if (end === -1) return { from: prefix.length === 0 ? none : prefix, to: none };
  // `slice` of a Buffer would be a view of the prefix.
  const to = new Uint8Array(prefix.subarray(0, end + 1));
  to[end] = (prefix[end] as number) + 1;
  return { from: prefix, to };
}

/** The first key after it. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
