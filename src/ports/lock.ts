import type { ElectionRecord } from '../core/election/record.ts';

/** Where candidates of an election that hale does not decide keep their record: a Lease in the API, or a key in etcd. Every call settles within its own deadline. */
export interface Lock {
  /** For people: `Lease kube-system/hale`, `etcd key /hale/election/hale`. */
  readonly name: string;
  read(): Promise<LockRead>;
  /** Creates the record (`version` undefined), or replaces the one that was read at `version`. */
  write(record: ElectionRecord, version: string | undefined): Promise<LockWrite>;
  close(): void;
}

export type LockRead = { kind: 'found'; record: ElectionRecord; version: string } | { kind: 'absent' } | { kind: 'failed'; reason: string };

export type LockWrite =
  | { kind: 'written'; version: string }
  /** Somebody else wrote since the read, or made the record first. */
  | { kind: 'conflict' }
  /** Not done, or nobody knows whether it was done. */
  | { kind: 'failed'; reason: string };
