import { readElectionRecord } from '../../core/election/record.ts';
import type { Etcd } from '../../ports/etcd.ts';
import type { Lock } from '../../ports/lock.ts';

/** The record as JSON under `/hale/election/CLUSTER/NAME`; its version is the key's modification revision. `etcd` gives the client for the next call, and is the lock's own: `close` closes what it gives. */
export function createEtcdLock(options: { etcd: () => Etcd; cluster: string; name: string }): Lock {
  const { etcd, cluster, name } = options;
  const path = `/hale/election/${cluster}/${name}`;
  const key = Buffer.from(path);
  return {
    name: `etcd key ${path}`,
    async read() {
      try {
        const [found] = (await etcd().range(key)).kvs;
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
        const { succeeded, revision } = await etcd().txn({ compare, success: [{ put: { key, value } }] });
        return succeeded ? { kind: 'written', version: String(revision) } : { kind: 'conflict' };
      } catch (error) {
        return { kind: 'failed', reason: (error as Error).message };
      }
    },
    close: () => etcd().close(),
  };
}
