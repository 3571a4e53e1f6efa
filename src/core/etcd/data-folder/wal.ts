import { crc32c } from './crc32c.ts';
import type { DataFolder } from './data-folder.ts';
import { BYTES, exactVarint, VARINT, WireReader } from './wire.ts';

/** etcd's write-ahead log (etcd, server/storage/wal): files of records, each with its length before it, filled up with zeros. */

/** walpb.Record types. */
const METADATA = 1;
const ENTRY = 2;
const STATE = 3;
const CRC = 4;
const SNAPSHOT = 5;

const LENGTH_BYTES = 8;
const SECTOR_BYTES = 512;

/** From this index on, entries have this term. */
interface Run {
  from: number;
  term: number;
}

/** Reads the files of one log in their order. */
export class WalScan {
  #crc = 0;
  #memberId = '';
  #clusterId = '';
  #term = 0;
  #commitIndex = 0;
  #lastIndex = 0;
  #runs: Run[] = [];
  #problem: string | undefined;

  /** `isLast`: its end may be torn, and is then cut off as etcd does when it starts. False when the log is broken; see `problem`. */
  file(bytes: Uint8Array, { isLast }: { isLast: boolean }): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (at + LENGTH_BYTES <= bytes.length && this.#problem === undefined) {
      const low = view.getUint32(at, true);
      const high = view.getUint32(at + 4, true);
      if (low === 0 && high === 0) break;
      // The top byte says how many bytes of padding follow; lengths fit the lower half.
      const padding = high & 0x8000_0000 ? (high >>> 24) & 0x7 : 0;
      const from = at + LENGTH_BYTES;
      at = from + low + padding;
      if (at > bytes.length) {
        if (!isLast) this.#problem = 'a record is longer than its file';
        break;
      }
      if (this.#record(bytes.subarray(from, from + low))) continue;
      if (!isLast || !isTorn(bytes, { from, to: from + low })) this.#problem = `the record at ${from} is not what was written`;
      break;
    }
    return this.#problem === undefined;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  get found(): DataFolder {
    return {
      memberId: this.#memberId,
      clusterId: this.#clusterId,
      term: this.#term,
      commitIndex: this.#commitIndex,
      commitTerm: this.#runs.findLast(({ from }) => from <= this.#commitIndex)?.term ?? 0,
      lastIndex: this.#lastIndex,
    };
  }

  #record(bytes: Uint8Array): boolean {
    const fields = fieldsOf(bytes);
    const {
      type,
      crc = 0,
      data = new Uint8Array(0),
    } = fields === undefined ? {} : { type: fields.numbers.get(1), crc: fields.numbers.get(2), data: fields.bytes.get(3) };
    if (type === undefined) return false;
    if (type === CRC) {
      if (this.#crc !== 0 && this.#crc !== crc) return false;
      this.#crc = crc;
      return true;
    }
    const sum = crc32c(this.#crc, data);
    if (sum !== crc) return false;
    this.#crc = sum;
    return this.#content(type, data);
  }

  #content(type: number, data: Uint8Array): boolean {
    const fields = fieldsOf(data);
    if (fields === undefined) return false;
    const { numbers, exact } = fields;
    if (type === METADATA) {
      this.#memberId = (exact.get(1) ?? 0n).toString(16);
      this.#clusterId = (exact.get(2) ?? 0n).toString(16);
    } else if (type === ENTRY) this.#has({ index: numbers.get(3) ?? 0, term: numbers.get(2) ?? 0 });
    else if (type === STATE) {
      this.#term = numbers.get(1) ?? 0;
      this.#commitIndex = numbers.get(3) ?? 0;
    } else if (type === SNAPSHOT) {
      const [index, term] = [numbers.get(1) ?? 0, numbers.get(2) ?? 0];
      // One that came from the leader stands for all entries up to it.
      if (index > this.#lastIndex) this.#has({ index, term });
      this.#commitIndex = Math.max(this.#commitIndex, index);
    }
    return true;
  }

  /** A later entry takes the place of an earlier one of its index, and of all behind that. */
  #has({ index, term }: { index: number; term: number }): void {
    while (this.#runs.length > 0 && (this.#runs.at(-1) as Run).from >= index) this.#runs.pop();
    if (this.#runs.at(-1)?.term !== term) this.#runs.push({ from: index, term });
    this.#lastIndex = index;
  }
}

interface Fields {
  numbers: Map<number, number>;
  /** The same, with all of their 64 bits. */
  exact: Map<number, bigint>;
  bytes: Map<number, Uint8Array>;
}

function fieldsOf(message: Uint8Array): Fields | undefined {
  const reader = new WireReader(message);
  const fields: Fields = { numbers: new Map(), exact: new Map(), bytes: new Map() };
  while (reader.next()) {
    if (reader.wireType === BYTES) fields.bytes.set(reader.field, reader.view());
    if (reader.wireType !== VARINT) continue;
    fields.numbers.set(reader.field, reader.value);
    if (reader.value > Number.MAX_SAFE_INTEGER || reader.to - reader.from > 7) fields.exact.set(reader.field, exactVarint(reader.view()));
    else fields.exact.set(reader.field, BigInt(reader.value));
  }
  return reader.ok ? fields : undefined;
}

/** A write that a power cut left by half shows a sector that was never written (wal/decoder.go). */
function isTorn(bytes: Uint8Array, { from, to }: { from: number; to: number }): boolean {
  for (let at = from; at < to; ) {
    const end = Math.min(to, at - (at % SECTOR_BYTES) + SECTOR_BYTES);
    if (bytes.subarray(at, end).every((byte) => byte === 0)) return true;
    at = end;
  }
  return false;
}
