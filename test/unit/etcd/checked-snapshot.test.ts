import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkedSnapshot } from '../../../src/engine/etcd/checked-snapshot.ts';
import type { EtcdSnapshotPart } from '../../../src/ports/etcd-admin.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const whole = (database: Uint8Array) => Buffer.concat([database, sha256(database)]);

/** `file` in parts that end at `cuts`; etcd does not count the hash in what remains. */
async function* parts(file: Uint8Array, cuts: readonly number[], short = 0): AsyncGenerator<EtcdSnapshotPart> {
  const ends = [...new Set([...cuts.map((cut) => cut % file.length), file.length])].toSorted((a, b) => a - b);
  let start = 0;
  for (const end of ends) {
    yield { blob: file.subarray(start, end), remainingBytes: Math.max(0, file.length - 32 - end) + short };
    start = end;
  }
}

async function collect(stream: AsyncIterable<EtcdSnapshotPart>): Promise<Buffer> {
  const got: Uint8Array[] = [];
  const hash = createHash('sha256');
  for await (const bytes of checkedSnapshot(stream, { hash, onProgress: () => undefined })) got.push(Uint8Array.from(bytes));
  return Buffer.concat(got);
}

const database = fc.uint8Array({ minLength: 512, maxLength: 2048 }).map((bytes) => bytes.slice(0, bytes.length - (bytes.length % 512)));
const cuts = fc.array(fc.nat(4096), { maxLength: 80 });

test('a whole snapshot passes unchanged, however it is cut into parts', async () => {
  await fc.assert(
    fc.asyncProperty(database, cuts, async (bytes, at) => {
      expect(await collect(parts(whole(bytes), at))).toEqual(whole(bytes));
    }),
  );
});

test('one changed byte anywhere is found', async () => {
  await fc.assert(
    fc.asyncProperty(database, cuts, fc.nat(), fc.integer({ min: 1, max: 255 }), async (bytes, at, place, change) => {
      const file = whole(bytes);
      const i = place % file.length;
      file[i] = (file[i] as number) ^ change;
      await expect(collect(parts(file, at))).rejects.toMatchObject({ code: 'snapshot_damaged' });
    }),
  );
});

test('a snapshot that ends early is found', async () => {
  await fc.assert(
    fc.asyncProperty(database, cuts, fc.nat(), async (bytes, at, length) => {
      const file = whole(bytes);
      const cut = file.subarray(0, 1 + (length % (file.length - 1)));
      await expect(collect(parts(cut, at))).rejects.toMatchObject({ code: 'snapshot_damaged' });
    }),
  );
  await expect(collect(parts(whole(new Uint8Array(512)), [], 100))).rejects.toThrow('100 bytes early');
  await expect(collect(parts(whole(new Uint8Array(0)), []))).rejects.toThrow('empty');
});
