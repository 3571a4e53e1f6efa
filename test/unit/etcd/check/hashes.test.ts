import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeHashes, type HashComparison } from '../../../../src/core/etcd/check/hashes.ts';
import type { EtcdView } from '../../../../src/core/etcd/view.ts';
import { compareHashes } from '../../../../src/engine/etcd/hashes.ts';
import { HaleError } from '../../../../src/base/error.ts';
import type { EtcdAdmin } from '../../../../src/ports/etcd-admin.ts';
import { ids, type Planted, status, viewWith } from '../facts.ts';

const five: Planted = { members: [{}, {}, {}, {}, {}] };
const compared = (hashes: readonly (number | readonly [hash: number, compactRevision: number] | undefined)[]): HashComparison => ({
  revision: 100,
  hashes: hashes.flatMap((given, i) => {
    if (given === undefined) return [];
    const [hash, compactRevision] = typeof given === 'number' ? [given, 50] : given;
    return [{ memberId: ids[i] as string, hash, compactRevision }];
  }),
  missing: new Map(),
});
const judged = (hashes: Parameters<typeof compared>[0], view: EtcdView = viewWith({ members: hashes.map(() => ({})) })) =>
  judgeHashes(view, compared(hashes)).map(({ verdict, place, says }) => ({ verdict, place, says }));

describe('hashes of all members', () => {
  test('that are equal are good', () => {
    expect(judged([7, 7, 7])).toMatchObject([{ verdict: 'good', place: 'cluster' }]);
  });

  test('of which a minority differs name it', () => {
    expect(judged([7, 8, 7])).toMatchObject([{ verdict: 'finding', place: 'm2', says: expect.stringContaining('not those of m1 and m3') }]);
    expect(judged([7, 8, 7, 7, 9]).map(({ place }) => place)).toEqual(['m2', 'm5']);
  });

  test('without a majority of the voters name nobody', () => {
    const noMajority = { verdict: 'finding', place: 'cluster', says: expect.stringContaining('no majority') };
    expect(judged([7, 8, 9])).toMatchObject([noMajority]);
    expect(judged([7, 8, undefined])).toMatchObject([noMajority]);
    // Two of three that could be asked, but not of five.
    expect(judged([7, 7, 8, undefined, undefined], viewWith(five))).toMatchObject([noMajority]);
  });

  test('at different compactions are not compared', () => {
    expect(
      judged([
        [7, 50],
        [7, 50],
        [8, 60],
      ]),
    ).toMatchObject([
      { verdict: 'good', place: 'cluster' },
      { verdict: 'not-judged', place: 'm3' },
    ]);
  });

  test('of another release may be hashed in another way, which is said', () => {
    const view = viewWith({ statuses: [{}, {}, { version: '3.5.33' }] });
    expect(judged([7, 7, 8], view)[0]?.says).toContain('hashes in another way');
  });

  test('for any hashes: whom it names differs from a majority, and without differences it names nobody', () => {
    const anyHashes = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 7 });
    fc.assert(
      fc.property(anyHashes, (hashes) => {
        const named = judged(hashes).filter(({ verdict }) => verdict === 'finding');
        const largest = Math.max(...hashes.map((hash) => hashes.filter((other) => other === hash).length));
        const isSplit = largest < Math.floor(hashes.length / 2) + 1;
        if (new Set(hashes).size === 1) expect(named).toEqual([]);
        else if (isSplit) expect(named.map(({ place }) => place)).toEqual(['cluster']);
        else expect(named).toHaveLength(hashes.length - largest);
      }),
    );
  });
});

describe('asking for hashes', () => {
  /** At once: what waits is told to go on. */
  const clock = { now: () => 0, at: (_: number, callback: () => void) => (queueMicrotask(callback), { cancel() {} }) };
  const refusal = (code: string, reason: string) => new HaleError({ code, kind: 'world', message: `etcd hash failed: ${reason}`, reason });

  interface Script {
    revision: (member: number, attempt: number) => number;
    hash: (member: number, revision: number, attempt: number) => { hash: number; compactRevision: number };
  }

  async function compare({ revision, hash }: Script) {
    const view = viewWith();
    const attempts = [0, 0, 0];
    const asked: number[] = [];
    const etcd = {
      status: async (url: string) => {
        const i = Number(/\.(\d+):/.exec(url)?.[1]) - 11;
        return status(i, { revision: revision(i, ++(attempts as number[])[i]!) });
      },
      hashKv: async (url: string, at: number) => {
        const i = Number(/\.(\d+):/.exec(url)?.[1]) - 11;
        asked.push(at);
        return hash(i, at, attempts[i] as number);
      },
    } as unknown as EtcdAdmin;
    return { asked, view, ...(await compareHashes({ view, etcd, patient: etcd, clock })) };
  }

  test('happens at the highest revision that all have applied', async () => {
    const { revision, asked, hashes } = await compare({
      revision: (i) => [105, 103, 110][i] as number,
      hash: () => ({ hash: 1, compactRevision: 5 }),
    });
    expect({ revision, asked, hashes: hashes.length }).toEqual({ revision: 103, asked: [103, 103, 103], hashes: 3 });
  });

  test('happens again when a compaction came between', async () => {
    const compacted = await compare({
      revision: (_, attempt) => 100 + attempt,
      hash: (i, __, attempt) => ({ hash: attempt === 1 ? i : 9, compactRevision: attempt === 1 && i === 2 ? 90 : 80 }),
    });
    expect(compacted.hashes.map(({ hash }) => hash)).toEqual([9, 9, 9]);
    expect(judgeHashes(compacted.view, compacted)).toMatchObject([{ verdict: 'good' }]);
  });

  test('waits for a member that catches up', async () => {
    const late = await compare({
      revision: (i, attempt) => (i === 2 && attempt < 4 ? 10 : 100),
      hash: (i, revision) => {
        if (revision === 10 && i !== 2) throw refusal('etcd_compacted', 'required revision has been compacted');
        return { hash: 1, compactRevision: 90 };
      },
    });
    expect({ revision: late.revision, hashes: late.hashes.length, missing: late.missing.size }).toEqual({
      revision: 100,
      hashes: 3,
      missing: 0,
    });
  });

  test('leaves out one that does not, and compares the others', async () => {
    const late = await compare({
      revision: (i) => (i === 2 ? 10 : 100),
      hash: (i, revision) => {
        if (revision === 10 && i !== 2) throw refusal('etcd_compacted', 'required revision has been compacted');
        return { hash: i === 2 ? 5 : 1, compactRevision: i === 2 ? 3 : 90 };
      },
    });
    expect(judgeHashes(late.view, late)).toMatchObject([
      { verdict: 'good', says: expect.stringContaining('m1 and m2') },
      { verdict: 'not-judged', place: 'm3' },
    ]);
  });

  test('goes on without one that fails', async () => {
    const failed = await compare({
      revision: () => 100,
      hash: (i) => {
        if (i === 0) throw refusal('etcd_timeout', 'no answer within the deadline');
        return { hash: 1, compactRevision: 5 };
      },
    });
    expect(failed.missing).toEqual(new Map([['a1', 'no answer within the deadline']]));
    expect(failed.hashes).toHaveLength(2);
  });
});
