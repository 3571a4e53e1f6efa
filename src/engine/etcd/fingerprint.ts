import type { EtcdView } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import { lookAtEtcd } from './look.ts';

/** The data of a cluster in three numbers, and whether every member has the same. */
export interface Fingerprint {
  /** At which the members were compared. */
  revision: number;
  /** That exist at `revision`. */
  keys: number;
  /** True when all members answered, with equal hashes at equal compactions. */
  equal: boolean;
  members: { name: string; id: string; hash: number | null; compactRevision: number | null; problem: string | null }[];
}

const FIRST = Uint8Array.of(0);

interface FingerprintOptions {
  etcd: EtcdAdmin;
  urls: readonly string[];
  clock: Clock;
  /** The newest when absent. */
  revision?: number;
}

/** Compares all members at one revision. Needs a quorum: HaleError when there is none. */
export async function fingerprintOf(options: FingerprintOptions): Promise<Fingerprint> {
  const { etcd } = options;
  const past = options.revision === undefined ? {} : { revision: options.revision };
  const { revision: newest, count } = await etcd.range(FIRST, { rangeEnd: FIRST, keysOnly: true, limit: 1, ...past });
  const revision = options.revision ?? newest;
  const view: EtcdView = await lookAtEtcd(options);
  const members = await Promise.all(
    view.members.map(async ({ name, id, url, problem }) => {
      if (url === null || problem !== null)
        return { name, id, hash: null, compactRevision: null, problem: problem ?? 'nobody knows where it is' };
      try {
        return { name, id, ...(await etcd.hashKv(url, revision)), problem: null };
      } catch (error) {
        return { name, id, hash: null, compactRevision: null, problem: (error as Error).message };
      }
    }),
  );
  const prints = new Set(members.map(({ hash, compactRevision }) => `${hash} ${compactRevision}`));
  return { revision, keys: count, equal: prints.size === 1 && members.every(({ hash }) => hash !== null), members };
}
