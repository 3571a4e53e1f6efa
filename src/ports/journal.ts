import type { JournalEntry, JournalEvent } from '../core/etcd/rebuild/journal.ts';

/** What an operation on hosts did so far, on a disk. One process at a time has it. */
export interface Journal {
  /** All of it, in order; half an entry that a power cut left at its end is none. */
  read(): JournalEntry[];
  /** On disk when it returns, with the time of day. */
  append(event: JournalEvent): void;
}
