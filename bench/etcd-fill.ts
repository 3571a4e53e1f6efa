import { createEtcdClient } from '../src/drivers/etcd/client.ts';
import type { EtcdCluster } from '../test/support/etcd-cluster.ts';

const WRITERS = 8;

export interface FillOptions {
  cluster: Pick<EtcdCluster, 'endpoints' | 'tls'>;
  wantedBytes: number;
  valueBytes: number;
  signal: AbortSignal;
}

/** Puts values, each under a key of its own and different from the others, until there are this many bytes. */
export async function fillEtcd({ cluster, wantedBytes, valueBytes, signal }: FillOptions): Promise<void> {
  const client = createEtcdClient({ ...cluster, timeoutMs: 60_000 });
  let next = 0;
  const write = async (): Promise<void> => {
    const value = Buffer.alloc(valueBytes);
    while (next * valueBytes < wantedBytes) {
      signal.throwIfAborted();
      const i = next++;
      // Not zeros, of which a disk or a file system might make less.
      for (let at = 0; at < valueBytes; at += 4) value.writeUInt32LE((Math.imul(i + 1, at + 0x9e3779b9) ^ (at >>> 3)) >>> 0, at);
      await client.put(Buffer.from(`/fill/${i}`), value);
    }
  };
  try {
    await Promise.all(Array.from({ length: WRITERS }, write));
  } finally {
    client.close();
  }
}
