import type { EtcdAdmin } from '../../ports/etcd-admin.ts';

/** What a restored store showed of itself. */
export interface RestoredStore {
  revision: number;
  keys: number;
  /** Whether what was written came back as it was. */
  isMarkerRead: boolean;
  /** Alarms that had to be disarmed before anything could be written. */
  alarms: string[];
}

/** Counts the keys of a store that nobody else uses, and writes and reads one more. */
export async function proveRestored(etcd: EtcdAdmin, marker: { key: Uint8Array; value: Uint8Array }): Promise<RestoredStore> {
  const all = Uint8Array.of(0);
  const { revision, count } = await etcd.range(all, { rangeEnd: all, limit: 1, keysOnly: true });
  const alarms = await etcd.alarms();
  for (const alarm of alarms) await etcd.disarm(alarm);
  await etcd.put(marker.key, marker.value);
  const [found] = (await etcd.range(marker.key)).kvs;
  const isMarkerRead =
    found !== undefined && found.value.length === marker.value.length && found.value.every((byte, i) => byte === marker.value[i]);
  return { revision, keys: count, isMarkerRead, alarms: alarms.map(({ alarm }) => alarm) };
}
