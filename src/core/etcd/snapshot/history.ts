import type { Element } from '../bbolt/leaf.ts';
import type { Problems } from '../bbolt/problem.ts';
import { KeyGroups } from '../kubernetes/key-groups.ts';
import { type GroupSum, NO_SUM } from '../kubernetes/key-tally.ts';
import type { ContentProblem } from './content.ts';
import { KeyIndex } from './key-index.ts';
import { emptyRecord, type EtcdRecord, readKeyValue, readRevision } from './record.ts';

interface HistoryCount {
  /** Of the last record; 0 when there is none. */
  revision: number;
  keys: number;
  keyBytes: number;
  revisions: number;
  revisionBytes: number;
  groups: GroupSum[];
}

/**
 * The bucket `key`: every change since the last compaction, in order, and before it the newest of each key. So the history of a key is whole: a change that is
 * not the first of its key must follow the one before it, unless that was compacted.
 */
export class History {
  readonly #problems: Problems<ContentProblem>;
  readonly #record: EtcdRecord = emptyRecord();
  readonly #index: KeyIndex;
  readonly #groups: KeyGroups;
  readonly #sums: Omit<GroupSum, 'root' | 'resource'>[] = [];
  #revision = 0;
  #revisions = 0;
  #revisionBytes = 0;
  /** Known before the first record: what is older may be gone. */
  compactedTo = 0;

  constructor({ problems, seed, prefix }: { problems: Problems<ContentProblem>; seed: { a: number; b: number }; prefix?: string }) {
    this.#problems = problems;
    this.#index = new KeyIndex(seed);
    this.#groups = new KeyGroups(prefix);
  }

  visit(element: Element): void {
    const record = this.#record;
    const { bytes, keyAt, keyBytes, valueAt, valueBytes } = element;
    if (!readRevision(bytes, { at: keyAt, length: keyBytes }, record)) return this.#wrong('revision_malformed', element);
    this.#revision = record.revision;
    this.#revisions++;
    this.#revisionBytes += valueBytes;
    if (!readKeyValue(bytes, { at: valueAt, length: valueBytes }, record)) return this.#wrong('record_malformed', element);
    // A restore that raises the revision writes one without a change.
    if (record.keyBytes === 0 && !record.isDeletion) return;
    if (record.keyBytes === 0) return this.#wrong('record_malformed', element);
    const problem = record.isDeletion ? wrongDeletion(record) : wrongPut(record);
    if (problem !== undefined) return this.#wrong(problem, element);
    this.#apply(element, valueBytes);
  }

  finish(): HistoryCount {
    const groups = this.#groups.groups.map((group, i): GroupSum => ({ ...group, ...(this.#sums[i] ?? NO_SUM) }));
    const sum = (of: 'keys' | 'bytes') => groups.reduce((total, group) => total + group[of], 0);
    const { revisions, revisionBytes } = { revisions: this.#revisions, revisionBytes: this.#revisionBytes };
    return { revision: this.#revision, keys: sum('keys'), keyBytes: sum('bytes'), revisions, revisionBytes, groups };
  }

  /** Joins the change to what is known of its key. */
  #apply(element: Element, recordBytes: number): void {
    const record = this.#record;
    const { bytes } = element;
    const index = this.#index;
    const known = index.count;
    const entry = index.entryOf(bytes, record.keyAt, record.keyBytes);
    const isNew = entry === known;
    if (isNew) index.setGroup(entry, this.#groups.groupOf(bytes, record.keyAt, record.keyBytes));
    const before = index.get(entry);
    const problem = isNew ? this.#wrongFirst(record) : wrongNext(before, record);
    if (problem !== undefined) this.#wrong(problem, element);
    const liveBytes = record.isDeletion ? 0 : record.keyBytes + record.valueBytes;
    index.set(entry, { createRevision: record.createRevision, version: record.version, liveBytes });
    const sum = (this.#sums[before.group] ??= { ...NO_SUM });
    sum.keys += Math.sign(liveBytes) - Math.sign(before.liveBytes);
    sum.bytes += liveBytes - before.liveBytes;
    sum.revisions++;
    sum.revisionBytes += recordBytes;
  }

  /** The first change of a key that is in the file: is it the first of all, or may the one before it be gone? */
  #wrongFirst({ isDeletion, version, revision }: EtcdRecord): 'history_gap' | undefined {
    const isFirst = !isDeletion && version === 1;
    return isFirst || revision <= this.compactedTo ? undefined : 'history_gap';
  }

  #wrong(what: ContentProblem['what'], { page, offset, keyAt }: Element): void {
    const found = this.#record.revision;
    this.#problems.add({ what, page, offset: offset + keyAt, ...(what === 'revision_malformed' ? {} : { found }) });
  }
}

/** A deletion stores the key alone. */
function wrongDeletion(record: EtcdRecord): 'record_deletion' | undefined {
  const { createRevision, modRevision, version, valueBytes } = record;
  return createRevision + modRevision + version + valueBytes === 0 ? undefined : 'record_deletion';
}

function wrongPut({ revision, createRevision, modRevision, version }: EtcdRecord): 'record_revision' | 'record_version' | undefined {
  if (modRevision !== revision || createRevision < 1 || createRevision > revision) return 'record_revision';
  // Each version takes a revision at least.
  const isPossible = version === 1 ? createRevision === revision : version > 1 && version - 1 <= revision - createRevision;
  return isPossible ? undefined : 'record_version';
}

type Known = ReturnType<KeyIndex['get']>;

function wrongNext(before: Known, record: EtcdRecord): 'history_gap' | 'history_create' | undefined {
  const lives = before.liveBytes > 0;
  if (record.isDeletion) return lives ? undefined : 'history_gap';
  if (!lives) return record.version === 1 ? undefined : 'history_gap';
  if (record.version !== before.version + 1) return 'history_gap';
  return record.createRevision === before.createRevision ? undefined : 'history_create';
}
