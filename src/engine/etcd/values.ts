import { printable } from '../../base/printable.ts';
import type { SizedKey, ValueScan } from '../../core/etcd/check/values.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';

/** Keys a page: values of the largest size fill it with 100 MB. */
const PAGE_MIN = 8;
const PAGE_MAX = 64;
/** What a page should have, by the mean of those before. */
const PAGE_BYTES = 4 * 1024 ** 2;
const LARGEST_KEPT = 20;
const ALL_KEYS = Uint8Array.of(0);

export interface ScanOptions {
  /** Asked for what it has, without a quorum; best a follower. */
  etcd: EtcdAdmin;
  /** After so many bytes it stops. */
  limitBytes: number;
  clock: Clock;
  longestMs: number;
  signal: EtcdStopSignal;
  onProgress: (text: string) => void;
}

/** Walks over all values, page by page, until the end or a limit: etcd tells no size without the value. Fails with a HaleError. */
export async function scanValues({ etcd, limitBytes, clock, longestMs, signal, onProgress }: ScanOptions): Promise<ValueScan> {
  const scan = { keys: 0, bytes: 0, total: 0, complete: false };
  let largest: SizedKey[] = [];
  let from: Uint8Array = ALL_KEYS;
  const startedAt = clock.now();
  while (!scan.complete && scan.bytes < limitBytes && clock.now() - startedAt < longestMs && !signal.aborted) {
    const mean = scan.keys === 0 ? PAGE_BYTES : scan.bytes / scan.keys;
    const limit = Math.round(Math.min(PAGE_MAX, Math.max(PAGE_MIN, PAGE_BYTES / Math.max(1, mean))));
    const { kvs, count, more } = await etcd.range(from, { rangeEnd: ALL_KEYS, limit, serializable: true });
    // Of what is left from here on.
    scan.total = scan.keys + count;
    scan.keys += kvs.length;
    scan.bytes += kvs.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    largest = [...largest, ...kvs.map(({ key, value }) => ({ key: keyText(key), bytes: value.length }))]
      .toSorted((a, b) => b.bytes - a.bytes)
      .slice(0, LARGEST_KEPT);
    const last = kvs.at(-1)?.key;
    scan.complete = !more || last === undefined;
    if (last !== undefined) from = Uint8Array.of(...last, 0);
    onProgress(`reading values: ${scan.keys} of ${scan.total} keys`);
  }
  return { ...scan, largest };
}

/** Keys are text nearly always; other bytes are shown as Latin-1. */
function keyText(key: Uint8Array): string {
  return printable(String.fromCharCode(...key.subarray(0, 500)));
}
