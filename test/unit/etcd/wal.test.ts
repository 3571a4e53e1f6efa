import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c } from '../../../src/core/etcd/data-folder/crc32c.ts';
import { WalScan } from '../../../src/core/etcd/data-folder/wal.ts';

/* Records as etcd writes them (server/storage/wal/walpb, raftpb), made without the reader's code. */

function varint(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value & 0x7fn) | 0x80, ...varint(value >> 7n)];
}

const number = (field: number, value: number | bigint) => [field << 3, ...varint(BigInt(value))];
const bytes = (field: number, value: readonly number[]) => [(field << 3) | 2, ...varint(BigInt(value.length)), ...value];

const metadata = { type: 1, data: [...number(1, 0xfedc_ba98_7654_3210n), ...number(2, 7n)] };
const entry = (index: number, term: number, size = 3) => ({
  type: 2,
  data: [...number(1, 0), ...number(2, term), ...number(3, index), ...bytes(4, Array<number>(size).fill(9))],
});
const state = (term: number, commit: number) => ({ type: 3, data: [...number(1, term), ...number(2, 1n), ...number(3, commit)] });
const snapshot = (index: number, term: number) => ({ type: 5, data: [...number(1, index), ...number(2, term)] });
type Written = { type: number; data: number[] };

/** A log file of its own, as the first of a log: filled up with zeros. */
function file(records: readonly Written[], { before = 0, zeros = 64 } = {}): { bytes: Uint8Array; crc: number } {
  let crc = before;
  const frames = [{ type: 4, data: [], own: before }, ...records].flatMap((record) => {
    if (!('own' in record)) crc = crc32c(crc, Uint8Array.from(record.data));
    const body = [...number(1, record.type), ...number(2, crc), ...(record.data.length === 0 ? [] : bytes(3, record.data))];
    const padding = (8 - (body.length % 8)) % 8;
    const length = [...new Uint8Array(new Uint32Array([body.length]).buffer), 0, 0, 0, padding === 0 ? 0 : 0x80 | padding];
    return [...length, ...body, ...Array<number>(padding).fill(0)];
  });
  return { bytes: Uint8Array.from([...frames, ...Array<number>(zeros).fill(0)]), crc };
}

function scan(records: readonly Written[]) {
  const wal = new WalScan();
  expect(wal.file(file(records).bytes, { isLast: true })).toBe(true);
  return wal.found;
}

describe('the log of a member', () => {
  test('tells who it is, and how far it got', () => {
    expect(scan([metadata, entry(1, 1), entry(2, 1), entry(3, 4), state(5, 2)])).toEqual({
      memberId: 'fedcba9876543210',
      clusterId: '7',
      term: 5,
      commitIndex: 2,
      commitTerm: 1,
      lastIndex: 3,
    });
  });

  test('an entry that a new leader put in the place of others counts, and those do not', () => {
    const found = scan([metadata, entry(1, 1), entry(2, 1), entry(3, 1), state(1, 1), entry(2, 3), state(3, 2)]);
    expect(found).toMatchObject({ commitIndex: 2, commitTerm: 3, lastIndex: 2 });
  });

  test('a snapshot that the leader sent stands for all entries up to it', () => {
    expect(scan([metadata, snapshot(0, 0), entry(1, 1), state(2, 1), snapshot(90, 2), state(2, 90)])).toMatchObject({
      commitIndex: 90,
      commitTerm: 2,
      lastIndex: 90,
    });
  });

  test('goes on in the next file, whose checksums continue those of the one before', () => {
    const first = file([metadata, entry(1, 1), state(1, 1)]);
    const second = file([metadata, entry(2, 1), state(1, 2)], { before: first.crc });
    const wal = new WalScan();
    expect(wal.file(first.bytes, { isLast: false })).toBe(true);
    expect(wal.file(second.bytes, { isLast: true })).toBe(true);
    expect(wal.found).toMatchObject({ commitIndex: 2, lastIndex: 2 });
    const wrong = new WalScan();
    wrong.file(first.bytes, { isLast: false });
    expect(wrong.file(file([metadata], { before: first.crc ^ 1 }).bytes, { isLast: true })).toBe(false);
  });

  test('a write that a power cut left by half is no entry at the end, and a broken log anywhere else', () => {
    const whole = file([metadata, entry(1, 1), state(1, 1), entry(2, 1, 2000)], { zeros: 0 }).bytes;
    const torn = whole.slice();
    torn.fill(0, 1024, 1536);
    for (const [cut, isTorn] of [
      [whole.subarray(0, -700), true],
      [torn, true],
      [whole, false],
    ] as const) {
      const wal = new WalScan();
      expect(wal.file(cut, { isLast: true })).toBe(true);
      expect(wal.found.lastIndex).toBe(isTorn ? 1 : 2);
      expect(new WalScan().file(cut, { isLast: false })).toBe(!isTorn);
    }
  });

  test('a byte that changed in a record is found', () => {
    const { bytes: whole } = file([metadata, entry(1, 1), entry(2, 1), state(1, 2)], { zeros: 0 });
    const starts: number[] = [];
    for (let at = 0; at < whole.length; ) {
      starts.push(at);
      at += 8 + (whole[at] as number) + ((whole[at + 7] as number) & 7);
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const start = starts.findLast((each) => each <= at) as number;
        // Neither the length nor the type of a record is under a checksum, and the first record is one.
        const inLength = at < start + 10 || start === 0;
        const inPadding = at >= start + 8 + (whole[start] as number);
        fc.pre(!inLength && !inPadding);
        const damaged = whole.slice();
        damaged[at] = (damaged[at] as number) ^ flip;
        const wal = new WalScan();
        expect(wal.file(damaged, { isLast: false })).toBe(false);
      }),
    );
  });

  test('any bytes are read to an end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (noise, isLast) => {
        const wal = new WalScan();
        expect(typeof wal.file(noise, { isLast })).toBe('boolean');
      }),
    );
  });
});
