import { readElectionRecord } from '../../core/election/record.ts';
import type { Etcd } from '../../ports/etcd.ts';
import type { Lock } from '../../ports/lock.ts';

/** Where a lock gets the client for its next call. It is the lock's own, which closes it. */
export interface EtcdSource {
  current(): Etcd;
  close(): void;
}

/** The record as JSON under `/hale/election/CLUSTER/NAME`; its version is the key's modification revision. */
export function createEtcdLock(options: { etcd: EtcdSource; cluster: string; name: string }): Lock {
  const { etcd, cluster, name } = options;
  const path = `/hale/election/${cluster}/${name}`;
  const key = Buffer.from(path);
  return {
    name: `etcd key ${path}`,
    async read() {
      try {
        const [found] = (await etcd.current().range(key)).kvs;
        if (found === undefined) return { kind: 'absent' };
        const record = readElectionRecord(Buffer.from(found.value).toString());
        if (record === undefined)
          return { kind: 'failed', reason: `${path} holds no record of an election; delete it: etcdctl del ${path}` };
        return { kind: 'found', record, version: String(found.modRevision) };
      } catch (error) {
        return { kind: 'failed', reason: (error as Error).message };
      }
    },
    async write(record, version) {
      const value = Buffer.from(JSON.stringify(record));
      try {
        // A revision of 0: the key does not exist.
        const compare = [{ key, modRevision: Number(version ?? 0) }];
        const { succeeded, revision } = await etcd.current().txn({ compare, success: [{ put: { key, value } }] });
        return succeeded ? { kind: 'written', version: String(revision) } : { kind: 'conflict' };
      } catch (error) {
        return { kind: 'failed', reason: (error as Error).message };
      }
    },
    close: () => etcd.close(),
  };
}
