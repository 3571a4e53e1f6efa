import type { SnapshotName } from '../core/etcd/snapshot/name.ts';

/** What hale keeps in a folder or a bucket. */
export interface StoredSnapshot extends SnapshotName {
  /** Of the file, or of the object without the prefix. */
  name: string;
  sizeBytes: number;
}

/** A folder or a bucket of snapshots. Every call fails with a HaleError or succeeds. */
export interface SnapshotStore {
  /** For people. */
  readonly place: string;
  /** Those that hale named, of all clusters and in no order; nothing else is looked at. Empty where there is no such folder. */
  list(): Promise<StoredSnapshot[]>;
  remove(name: string): Promise<void>;
}

/** Where one snapshot is written to. */
export interface SnapshotTarget {
  /** Whether what was written can be taken back, so that a second member can be tried. */
  readonly canStartAgain: boolean;
  /** Removes what runs that were killed left, and makes a place for the snapshot. `sizeBytes` is a guess. */
  begin(name: string, sizeBytes: number): Promise<SnapshotSink>;
}

/** One of `commit` and `discard` ends it. */
export interface SnapshotSink {
  /** Returns when it can take more; the bytes are the caller's again. */
  write(bytes: Uint8Array): Promise<void>;
  /** From now on the snapshot is there under its name, whole and durable. */
  commit(): Promise<SnapshotReceipt>;
  /** Leaves nothing. */
  discard(): Promise<void>;
}

export interface SnapshotReceipt {
  /** For people. */
  place: string;
  /** What is worth telling of how it is kept; empty when there is nothing. */
  notes: readonly string[];
}
