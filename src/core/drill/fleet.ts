import type { RequestRecord } from './record.ts';

/**
 * What a fleet of clients of a kube-apiserver went through: writers that each own one ConfigMap and number their writes, watchers that see all of them, and a client
 * that asks over a new connection each time. Times are of CLOCK_BOOTTIME in milliseconds, as in record.ts; resource versions are numbers that
 * grow with each write of the cluster (kubernetes.io, "Resource versions").
 */
export interface FleetRecord {
  writers: WriterRecord[];
  watchers: WatcherRecord[];
  gets: RequestRecord[];
  /** When the writers were told to end; the watchers then had time to catch up. */
  stoppedMs: number;
  endMs: number;
}

/** One write, of the number after the last: none is ever sent twice. */
export interface WriteRecord {
  sequence: number;
  sentMs: number;
  /** When it was acknowledged; otherwise when the object had been read, or the fleet ended. */
  endMs: number;
  /**
   * `acknowledged`: the API said that it is done. Otherwise what the object held was read: `found`: this write; `absent`: an older one, though this one may
   * still arrive. `unread`: the fleet ended before it could be read.
   */
  outcome: 'acknowledged' | 'found' | 'absent' | 'unread';
  /** Of the object with this write; absent unless acknowledged or found. */
  resourceVersion?: number;
  /** Why it was not acknowledged. */
  error?: string;
}

/** What a read that is linearizable said: it began after the writer's write of `after` had ended. */
export interface ReadRecord {
  after: number;
  sequence: number;
  resourceVersion: number;
}

export interface WriterRecord {
  /** In the order in which they were sent. The numbers of a writer's first write follow those of an earlier fleet. */
  writes: WriteRecord[];
  /** After each write that was not acknowledged. */
  reads: ReadRecord[];
  /** After the last write, when the API served again; null when it could not be read. */
  final: ReadRecord | null;
}

/** The state that a watch begins from. */
export interface ListRecord {
  resourceVersion: number;
  /** Of each writer, in their order. */
  sequences: number[];
  /** How many events had come before. */
  events: number;
}

/** A time without a watch. */
export interface WatchGap {
  /** When the last was heard from the API server. */
  heardMs: number;
  /** When the client knew that its watch had ended. */
  lostMs: number;
  /** When the next watch was answered; null when none was before the end. */
  resumedMs: number | null;
  /** The API server that had the watch, as far as it says so. */
  server?: string;
  /** What broke the connection; absent when the API server ended the watch in order. */
  error?: string;
}

/** One watcher of all ConfigMaps. */
export interface WatcherRecord {
  /** The first, and one more for each answer 410 Gone. Empty when not even the first was answered. */
  lists: ListRecord[];
  /** In the order in which they came, each as three numbers: writer, sequence, resource version. */
  events: number[];
  gaps: WatchGap[];
}
