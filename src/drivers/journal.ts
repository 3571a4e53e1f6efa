import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HaleError } from '../base/error.ts';
import { type JournalEntry, type Stand, standOf } from '../core/etcd/rebuild/journal.ts';
import type { Journal } from '../ports/journal.ts';
import { openLock } from './linux/lock.ts';
import { syncFolder } from './sync-folder.ts';

const ENDING = '.jsonl';

/** The journals of a cluster's operations, a file of JSON lines each, in a folder. */
export interface Journals {
  /** The operation that has neither finished nor was rolled back; there is one at most. */
  open(): { stand: Stand; journal: Journal } | undefined;
  /** A new one. Its file appears with its first entry. */
  create(id: string): Journal;
}

/** Takes the folder for this process alone, until it ends. HaleError `operation_running` when another has it. */
export function openJournals(folder: string): Journals {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = openLock(join(folder, 'lock'));
  if (!lock.take()) {
    throw new HaleError({
      code: 'operation_running',
      kind: 'world',
      message: `another hale works on these hosts: process ${lock.owner() ?? 'unknown'}`,
      remedy: 'wait until it has ended',
    });
  }
  return {
    open: () => {
      const found = journalFiles(folder).flatMap((file) => {
        const journal = fileJournal(file, folder);
        const stand = standOf(journal.read());
        return stand === undefined || stand.state === 'finished' || stand.state === 'rolled back' ? [] : { stand, journal };
      });
      return found[0];
    },
    create: (id) => fileJournal(join(folder, `${id}${ENDING}`), folder),
  };
}

function journalFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ENDING))
    .toSorted()
    .map((name) => join(folder, name));
}

function fileJournal(path: string, folder: string): Journal {
  return {
    read: () => linesOf(path).flatMap(entryOf),
    append: (event) => {
      // A line that a power cut left by half ends here, and is no entry.
      const half = linesOf(path).at(-1) ?? '';
      const entry: JournalEntry = { at: new Date().toISOString(), ...event };
      const file = openSync(path, 'a', 0o600);
      try {
        writeSync(file, `${half === '' ? '' : '\n'}${JSON.stringify(entry)}\n`);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      syncFolder(folder);
    },
  };
}

/** The last is what follows the last newline. */
function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function entryOf(line: string): JournalEntry[] {
  try {
    return line === '' ? [] : [JSON.parse(line) as JournalEntry];
  } catch {
    return [];
  }
}
