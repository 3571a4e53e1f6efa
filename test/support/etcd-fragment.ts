import { HaleError } from '../../src/base/error.ts';
import type { EtcdAdmin } from '../../src/ports/etcd-admin.ts';
import type { EtcdCluster } from './etcd-cluster.ts';
import { until } from './hale.ts';

const VALUE_BYTES = 256 * 1024;
const PER_MIB = 2 ** 20 / VALUE_BYTES;
const AT_ONCE = 8;
const ATTEMPTS = 10;
const PASSING: readonly string[] = ['etcd_timeout', 'etcd_unavailable'];
/** The file of a member that wrote into its gaps grew by less. */
const GAP_SHARE = 0.7;

/** Fills a cluster with `liveMib` that stay, and `goneMib` that were written and compacted: gaps in the file of every member, as its status tells. */
export async function fragment(
  cluster: EtcdCluster,
  etcd: EtcdAdmin,
  { liveMib, goneMib }: { liveMib: number; goneMib: number },
): Promise<void> {
  await write(etcd, liveMib * PER_MIB, (i) => `live/${i}`);
  await write(etcd, goneMib * PER_MIB, (i) => `gone/${i % AT_ONCE}`);
  const { revision } = await patiently(() => etcd.deleteRange(Buffer.from('gone/'), { rangeEnd: Buffer.from('gone0') }));
  await compact(etcd, revision);
  await until(
    async () => {
      // Members compact each by itself, and count anew what is in use when they begin to write.
      await patiently(() => etcd.put(Buffer.from('last'), Buffer.from('write')));
      const statuses = await Promise.all(cluster.endpoints.map((url) => etcd.status(url)));
      return statuses.map(({ dbSizeBytes, dbSizeInUseBytes }) => dbSizeBytes - dbSizeInUseBytes);
    },
    (gaps) => gaps.every((bytes) => bytes >= GAP_SHARE * goneMib * 2 ** 20),
    'gaps in the files of all members',
  );
}

async function compact(etcd: EtcdAdmin, revision: number): Promise<void> {
  await patiently(() =>
    etcd.compact(revision).catch((error: unknown) => {
      // The first request was heard, and its answer was late.
      if (!(error instanceof HaleError && error.code === 'etcd_compacted')) throw error;
    }),
  );
}

async function write(etcd: EtcdAdmin, count: number, keyOf: (i: number) => string): Promise<void> {
  const value = Buffer.alloc(VALUE_BYTES, 'v');
  let next = 0;
  const writer = async () => {
    for (let i = next++; i < count; i = next++) await patiently(() => etcd.put(Buffer.from(keyOf(i)), value));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, writer));
}

/** Does again what a busy machine kept from being answered in time; it must be the same when it is done twice. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (attempt >= ATTEMPTS || !(error instanceof HaleError) || !PASSING.includes(error.code)) throw error;
    }
  }
}
