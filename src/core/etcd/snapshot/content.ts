import { utf8 } from '../../../base/utf8.ts';
import type { Element, ElementVisitor } from '../bbolt/leaf.ts';
import type { Problem, Problems } from '../bbolt/problem.ts';
import type { GroupSum } from '../kubernetes/key-tally.ts';
import { History } from './history.ts';
import { readAlarm, readLeaseId, readMember, readUserName, type RecordedAlarm, type RecordedMember } from './records.ts';
import { emptyRecord, readRevision } from './record.ts';

/** What etcd's buckets hold (etcd, server/storage/schema), and what in it cannot be. */

export type ContentProblem = Problem<
  | 'bucket_missing'
  | 'bucket_unknown'
  | 'bucket_nested'
  | 'meta_malformed'
  | 'revision_malformed'
  | 'record_malformed'
  | 'record_deletion'
  | 'record_revision'
  | 'record_version'
  | 'history_gap'
  | 'history_create'
  | 'member_malformed'
  | 'alarm_malformed'
  | 'lease_malformed'
  | 'user_malformed'
>;

export interface Content {
  /** The store's, as etcd has it after a start from this file. */
  revision: number;
  /** History before it is gone; 0 when nothing was compacted. */
  compactRevision: number;
  /** Raft's index that the content is of; null when the file does not say it. */
  consistentIndex: number | null;
  term: number | null;
  /** Of the layout, from etcd 3.6 on; null before. */
  storageVersion: string | null;
  /** Keys that live, and what they and their values take. */
  keys: number;
  keyBytes: number;
  /** Changes that are stored, deletions and the newest of each key among them. */
  revisions: number;
  revisionBytes: number;
  groups: GroupSum[];
  members: RecordedMember[];
  alarms: RecordedAlarm[];
  leases: number;
  users: number;
  isAuthEnabled: boolean;
}

/** Buckets that etcd 3.4 and later makes when it starts. */
const ALWAYS = ['key', 'meta', 'members', 'members_removed', 'lease', 'alarm', 'auth', 'authUsers', 'authRoles', 'cluster'];
/** Without these, etcd does not serve what was stored. */
const NEEDED = ['key', 'meta'];

/** Reads the buckets, of which `first` must come before the others. */
export class ContentReader {
  /** History is judged by what was compacted. */
  static readonly first = ['meta'];

  readonly #problems: Problems<ContentProblem>;
  readonly #history: History;
  readonly #seen = new Set<string>();
  readonly #numbers = new Map<string, number>();
  readonly #scratch = emptyRecord();
  readonly #visitors: Record<string, (element: Element) => void>;
  readonly #members: RecordedMember[] = [];
  readonly #alarms: RecordedAlarm[] = [];
  #storageVersion: string | null = null;
  #isAuthEnabled = false;
  #leases = 0;
  #users = 0;

  constructor(options: { problems: Problems<ContentProblem>; seed: { a: number; b: number }; prefix?: string }) {
    this.#problems = options.problems;
    this.#history = new History(options);
    this.#visitors = {
      key: (element) => this.#history.visit(element),
      meta: (element) => this.#meta(element),
      members: (element) => this.#member(element),
      alarm: (element) => this.#alarm(element),
      lease: (element) => this.#lease(element),
      auth: (element) => this.#auth(element),
      authUsers: (element) => this.#user(element),
    };
  }

  visitorOf(bucket: string): ElementVisitor | undefined {
    this.#seen.add(bucket);
    return this.#visitors[bucket];
  }

  finish(structure: { nestedBuckets: number }): Content {
    for (const bucket of NEEDED) if (!this.#seen.has(bucket)) this.#problems.add({ what: 'bucket_missing', expected: bucket });
    // A name that nobody knows, where one that must be there is not, is that one with a wrong letter. Alone it is of a later etcd.
    const unknown = [...this.#seen].filter((bucket) => !ALWAYS.includes(bucket));
    if (ALWAYS.some((bucket) => !this.#seen.has(bucket))) {
      for (const bucket of unknown) this.#problems.add({ what: 'bucket_unknown', found: bucket });
    }
    if (structure.nestedBuckets > 0) this.#problems.add({ what: 'bucket_nested', expected: 0, found: structure.nestedBuckets });
    const { revision, ...counted } = this.#history.finish();
    return {
      ...counted,
      revision: Math.max(1, revision, this.#history.compactedTo),
      compactRevision: this.#numbers.get('finishedCompactRev') ?? 0,
      consistentIndex: this.#numbers.get('consistent_index') ?? null,
      term: this.#numbers.get('term') ?? null,
      storageVersion: this.#storageVersion,
      members: this.#members,
      alarms: this.#alarms,
      leases: this.#leases,
      users: this.#users,
      isAuthEnabled: this.#isAuthEnabled,
    };
  }

  #meta(element: Element): void {
    const name = text(keyOf(element));
    const value = valueOf(element);
    if (name === 'finishedCompactRev' || name === 'scheduledCompactRev') {
      const { bytes, valueAt: at, valueBytes: length } = element;
      if (!readRevision(bytes, { at, length }, this.#scratch)) return this.#wrong('meta_malformed', element, name);
      this.#numbers.set(name, this.#scratch.revision);
      this.#history.compactedTo = Math.max(this.#history.compactedTo, this.#scratch.revision);
    } else if (name === 'consistent_index' || name === 'term') {
      const number = value.reduce((sum, byte) => sum * 0x100 + byte, 0);
      if (value.length !== 8 || !Number.isSafeInteger(number)) return this.#wrong('meta_malformed', element, name);
      this.#numbers.set(name, number);
    } else if (name === 'storageVersion') {
      this.#storageVersion = text(value);
      if (!/^\d+\.\d+\.\d+\S*$/.test(this.#storageVersion)) this.#wrong('meta_malformed', element, name);
    } else if (name === 'confState' && !/^\{.*\}$/.test(text(value))) this.#wrong('meta_malformed', element, name);
  }

  #member(element: Element): void {
    const member = readMember(text(keyOf(element)), text(valueOf(element)));
    if (member === undefined) this.#wrong('member_malformed', element);
    else this.#members.push(member);
  }

  #alarm(element: Element): void {
    const alarm = readAlarm(keyOf(element));
    if (alarm === undefined) this.#wrong('alarm_malformed', element);
    else this.#alarms.push(alarm);
  }

  #lease(element: Element): void {
    this.#leases++;
    const key = keyOf(element).reduce((id, byte) => (id << 8n) | BigInt(byte), 0n);
    if (element.keyBytes !== 8 || readLeaseId(valueOf(element)) !== key) this.#wrong('lease_malformed', element);
  }

  #auth(element: Element): void {
    if (text(keyOf(element)) === 'authEnabled') this.#isAuthEnabled = valueOf(element)[0] === 1;
  }

  #user(element: Element): void {
    this.#users++;
    if (readUserName(valueOf(element)) !== text(keyOf(element))) this.#wrong('user_malformed', element);
  }

  #wrong(what: ContentProblem['what'], { page, offset, keyAt }: Element, found?: string): void {
    this.#problems.add({ what, page, offset: offset + keyAt, ...(found === undefined ? {} : { found }) });
  }
}

function keyOf({ bytes, keyAt, keyBytes }: Element): Uint8Array {
  return bytes.subarray(keyAt, keyAt + keyBytes);
}

function valueOf({ bytes, valueAt, valueBytes }: Element): Uint8Array {
  return bytes.subarray(valueAt, valueAt + valueBytes);
}

/** Names and JSON: never long, whatever the file says. */
function text(bytes: Uint8Array): string {
  return utf8(bytes.subarray(0, 65_536));
}
