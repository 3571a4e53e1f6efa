import type { AlarmName } from '../core/etcd/alarms.ts';
import type { Etcd, EtcdMember, EtcdStopSignal } from './etcd.ts';

/**
 * What operators do to etcd (its Cluster, Maintenance and Lease services, etcd 3.4 to 3.7). Every call fails with a HaleError or succeeds.
 * What takes a `url` is asked of that member alone; the rest of any member that answers. Ids of members are hexadecimal.
 */
export interface EtcdAdmin extends Etcd {
  /** From now on these members are asked, where no `url` says which. Not empty. */
  useEndpoints(urls: readonly string[]): void;
  /** What this member knows of the cluster, without asking a quorum: it may be behind. */
  membersAt(url: string): Promise<EtcdMember[]>;
  /** A linearizable read of nothing: it answers when it reaches a leader with a quorum, and has applied what was committed before. Learners refuse. */
  probe(url: string): Promise<void>;
  /** Adds a learner, which has no vote. */
  addLearner(peerUrls: readonly string[]): Promise<EtcdMember>;
  /** Makes a voter of a learner; `etcd_refused` while that is not in sync. */
  promote(memberId: string): Promise<void>;
  removeMember(memberId: string): Promise<void>;
  /** Changes where the others reach it. */
  updateMember(memberId: string, peerUrls: readonly string[]): Promise<void>;
  alarms(): Promise<EtcdRaisedAlarm[]>;
  disarm(alarm: EtcdRaisedAlarm): Promise<void>;
  /** Drops history before `revision`, and returns when the space of it is free for new data. */
  compact(revision: number): Promise<void>;
  /** Writes the database anew; the member answers nothing else meanwhile. As long as it takes: it ends with the answer, the connection or `signal`. */
  defragment(url: string, signal: EtcdStopSignal): Promise<void>;
  /** Hash of all keys up to `revision` since the last compaction; equal members have equal hashes at equal revisions and compactions. */
  hashKv(url: string, revision: number): Promise<EtcdHash>;
  /** Asked of the leader. */
  moveLeader(leaderUrl: string, targetId: string): Promise<void>;
  /** The member's database as a file, ending with the SHA-256 of the rest. Fails when nothing comes for the client's time-out. */
  snapshot(url: string, signal: EtcdStopSignal): AsyncIterable<EtcdSnapshotPart>;
  /** A lease that ends `ttlSeconds` after its last renewal, and its keys with it. */
  grantLease(ttlSeconds: number): Promise<{ id: bigint }>;
  /** False when it had ended. */
  renewLease(id: bigint): Promise<boolean>;
  revokeLease(id: bigint): Promise<void>;
}

export interface EtcdRaisedAlarm {
  memberId: string;
  alarm: AlarmName;
}

export interface EtcdHash {
  hash: number;
  /** -1 when nothing was compacted. */
  compactRevision: number;
}

export interface EtcdSnapshotPart {
  blob: Uint8Array;
  /** Of the database; the hash comes after 0. */
  remainingBytes: number;
}
