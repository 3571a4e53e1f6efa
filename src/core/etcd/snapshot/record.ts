import { BYTES, VARINT, WireReader } from '../data-folder/wire.ts';

/** What etcd's bucket `key` holds: a revision, and what was put or deleted in it (etcd, server/storage/mvcc/revision.go, mvccpb.KeyValue). */

/** The revision, `_`, and the place within it. */
const REVISION_BYTES = 17;
const SEPARATOR = 0x5f;
/** Behind the revision of a deletion. */
const TOMBSTONE = 0x74;

/** Filled anew for every record: there are millions. */
export interface EtcdRecord {
  revision: number;
  /** Place among the changes of one revision. */
  sub: number;
  isDeletion: boolean;
  /** Where the key of the user stands; its length is 0 where a restore made a revision without a change (`--bump-revision`). */
  keyAt: number;
  keyBytes: number;
  createRevision: number;
  modRevision: number;
  version: number;
  valueAt: number;
  valueBytes: number;
}

export function emptyRecord(): EtcdRecord {
  return {
    revision: 0,
    sub: 0,
    isDeletion: false,
    keyAt: 0,
    keyBytes: 0,
    createRevision: 0,
    modRevision: 0,
    version: 0,
    valueAt: 0,
    valueBytes: 0,
  };
}

/** A part of an array. */
export interface Span {
  at: number;
  length: number;
}

/** False where the bytes are no revision, or one that cannot be. */
export function readRevision(bytes: Uint8Array, { at, length }: Span, into: EtcdRecord): boolean {
  into.isDeletion = length === REVISION_BYTES + 1 && bytes[at + REVISION_BYTES] === TOMBSTONE;
  if (length !== REVISION_BYTES && !into.isDeletion) return false;
  into.revision = int64(bytes, at);
  into.sub = int64(bytes, at + 9);
  return bytes[at + 8] === SEPARATOR && into.revision > 0 && into.revision <= Number.MAX_SAFE_INTEGER && into.sub <= 0xffff_ffff;
}

/** Big-endian. */
function int64(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 8; i++) value = value * 0x100 + (bytes[i] as number);
  return value;
}

const KEY = 1;
const CREATE_REVISION = 2;
const MOD_REVISION = 3;
const VERSION = 4;
const VALUE = 5;
const LEASE = 6;

/** Reads a KeyValue as etcd writes it: fields in their order, each once, none that is empty. False where it is otherwise. */
export function readKeyValue(bytes: Uint8Array, { at, length }: Span, into: EtcdRecord): boolean {
  into.keyBytes = into.createRevision = into.modRevision = into.version = into.valueBytes = 0;
  const fields = new WireReader(bytes, at, at + length);
  let last = 0;
  while (fields.next()) {
    const { field, wireType, value } = fields;
    if (field <= last || field > LEASE || wireType !== (field === KEY || field === VALUE ? BYTES : VARINT)) return false;
    last = field;
    const size = fields.to - fields.from;
    if (wireType === VARINT ? value === 0 : size === 0) return false;
    if (field === KEY) {
      into.keyAt = fields.from;
      into.keyBytes = size;
    } else if (field === CREATE_REVISION) into.createRevision = value;
    else if (field === MOD_REVISION) into.modRevision = value;
    else if (field === VERSION) into.version = value;
    else if (field === VALUE) {
      into.valueAt = fields.from;
      into.valueBytes = size;
    }
  }
  return fields.ok && (length === 0 || into.keyBytes > 0);
}
