import type { EtcdMember, EtcdMemberStatus } from '../core/etcd/member.ts';

export type { EtcdMember, EtcdMemberStatus } from '../core/etcd/member.ts';

/** etcd's v3 API (etcd 3.4 to 3.7), as far as hale uses it. Every call fails with a HaleError within its deadline, or succeeds. */
export interface Etcd {
  /** Linearizable read of one key, or of [key, rangeEnd). */
  range(key: Uint8Array, options?: EtcdRangeOptions): Promise<EtcdRange>;
  put(key: Uint8Array, value: Uint8Array): Promise<{ revision: number }>;
  deleteRange(key: Uint8Array, options?: { rangeEnd?: Uint8Array }): Promise<{ revision: number; deleted: number }>;
  /** All operations at one revision if every comparison holds, none otherwise. */
  txn(request: EtcdTxn): Promise<{ revision: number; succeeded: boolean }>;
  /**
   * Changes of one key, or of [key, rangeEnd), in order and without gaps; goes on at another endpoint when one fails.
   * Ends when `signal` aborts. Throws `etcd_compacted` when the start is gone, another HaleError when no endpoint answers.
   */
  watch(key: Uint8Array, options: EtcdWatchOptions): AsyncIterable<EtcdWatchBatch>;
  /** Linearizable from etcd 3.5 on: needs a quorum. */
  members(): Promise<EtcdMember[]>;
  /** What one member says about itself, asked at its own client URL. */
  status(endpointUrl: string): Promise<EtcdMemberStatus>;
  /** Ends running calls and watches. */
  close(): void;
}

export interface EtcdRangeOptions {
  rangeEnd?: Uint8Array;
  /** Reads the past; the newest when absent. */
  revision?: number;
  /** No limit when absent. */
  limit?: number;
  /** Leaves the values empty. */
  keysOnly?: boolean;
  /** Whatever the member that is asked has, which may be old: needs no quorum. */
  serializable?: boolean;
}

export interface EtcdKeyValue {
  key: Uint8Array;
  value: Uint8Array;
  /** Equal to `modRevision` on the change that created the key. */
  createRevision: number;
  modRevision: number;
}

export interface EtcdRange {
  /** Of the store when it was read, not of the keys. */
  revision: number;
  kvs: EtcdKeyValue[];
  /** All in the range, with those beyond `limit`. */
  count: number;
  /** Whether `limit` cut the answer. */
  more: boolean;
}

export interface EtcdTxn {
  /** A revision of 0 means that the key does not exist. */
  compare: readonly { key: Uint8Array; modRevision: number }[];
  success: readonly EtcdOperation[];
}

/** `lease`: the key goes with it. */
export type EtcdOperation =
  | { put: { key: Uint8Array; value: Uint8Array; lease?: bigint } }
  | { delete: { key: Uint8Array; rangeEnd?: Uint8Array } };

export interface EtcdWatchOptions {
  rangeEnd?: Uint8Array;
  /** First revision wanted, inclusive; from now on when absent. */
  startRevision?: number;
  signal: EtcdStopSignal;
}

/** The part of an AbortSignal that a watch needs. */
export interface EtcdStopSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Never empty, and never half of a revision. */
export interface EtcdWatchBatch {
  /** Of the last event: a watch from the next revision on continues this one. */
  revision: number;
  events: EtcdWatchEvent[];
}

export interface EtcdWatchEvent {
  type: 'put' | 'delete';
  /** Of a deletion: the key and the revision of the deletion, without a value. */
  kv: EtcdKeyValue;
  /** Before the change, when it existed and is not compacted. */
  previous: EtcdKeyValue | undefined;
}
