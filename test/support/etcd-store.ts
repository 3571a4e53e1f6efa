/** Makes what etcd stores of a history of changes, for tests without an etcd. */
import { type BboltOptions, bboltFile, type Entry } from './bbolt-file.ts';

export type Change = { put: string; value: string } | { delete: string };

export interface StoreOptions extends BboltOptions {
  changes: readonly Change[];
  /** Revision that history is compacted to, as etcd does. */
  compactTo?: number;
  extra?: Record<string, readonly Entry[]>;
}

interface Version {
  create: number;
  version: number;
}

/** A database as etcd leaves it after the changes, one a revision from 2 on; a deletion of what is not there takes none. */
export function etcdDatabase({ changes, compactTo = 0, extra = {}, ...options }: StoreOptions): Buffer {
  const records = applied(changes);
  const kept = records.filter(({ revision, key, isDeletion }) => {
    if (revision > compactTo) return true;
    const isNewest = !records.some((other) => other.key === key && other.revision > revision && other.revision <= compactTo);
    return isNewest && !isDeletion;
  });
  const meta: Entry[] = [
    [Buffer.from('consistent_index'), numberBytes(records.length + 4)],
    ...(compactTo === 0
      ? []
      : (['finishedCompactRev', 'scheduledCompactRev'].map((name) => [Buffer.from(name), revisionKey(compactTo)]) as Entry[])),
  ];
  const empty = { members_removed: [], lease: [], alarm: [], auth: [], authUsers: [], authRoles: [], cluster: [] };
  const members: Entry[] = [
    [Buffer.from('8e9e05c52164694d'), Buffer.from('{"id":10276657743932975437,"peerURLs":["https://10.0.0.1:2380"],"name":"m1"}')],
  ];
  return bboltFile({ ...empty, meta, members, key: kept.map(({ entry }) => entry), ...extra }, options);
}

interface Applied {
  revision: number;
  key: string;
  isDeletion: boolean;
  entry: Entry;
}

function applied(changes: readonly Change[]): Applied[] {
  const living = new Map<string, Version>();
  const records: Applied[] = [];
  for (const change of changes) {
    const revision = records.length + 2;
    if ('delete' in change) {
      if (!living.delete(change.delete)) continue;
      const entry = [Buffer.concat([revisionKey(revision), Buffer.from('t')]), field(1, change.delete)] as const;
      records.push({ revision, key: change.delete, isDeletion: true, entry });
    } else {
      const before = living.get(change.put) ?? { create: revision, version: 0 };
      const now = { create: before.create, version: before.version + 1 };
      living.set(change.put, now);
      records.push({ revision, key: change.put, isDeletion: false, entry: [revisionKey(revision), keyValue(change, now, revision)] });
    }
  }
  return records;
}

function keyValue({ put, value }: { put: string; value: string }, { create, version }: Version, revision: number): Buffer {
  const numbers = [create, revision, version].flatMap((number, i) => [(i + 2) << 3, ...varint(number)]);
  return Buffer.concat([field(1, put), Buffer.from(numbers), value === '' ? Buffer.alloc(0) : field(5, value)]);
}

function field(number: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(bytes.length)]), bytes]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...varint(Math.floor(value / 0x80))];
}

export function revisionKey(revision: number): Buffer {
  return Buffer.concat([numberBytes(revision), Buffer.from('_'), numberBytes(0)]);
}

function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
