import { asciiBytes } from '../../base/ascii-json.ts';
import { decodeSnapshotRecord, SNAPSHOT_RECORD_KEY, type SnapshotRecord } from '../../core/etcd/snapshot/last-save.ts';
import type { Etcd } from '../../ports/etcd.ts';

/** The newest snapshot that went to the usual place, as etcd itself remembers it; undefined where there is none. Needs no quorum. */
export async function newestSnapshot(etcd: Pick<Etcd, 'range'>): Promise<SnapshotRecord | undefined> {
  const { kvs } = await etcd.range(asciiBytes(SNAPSHOT_RECORD_KEY), { serializable: true });
  return kvs[0] === undefined ? undefined : decodeSnapshotRecord(kvs[0].value);
}
