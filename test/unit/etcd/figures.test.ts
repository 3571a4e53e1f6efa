import { describe, expect, test } from 'vitest';
import { judgeDisk } from '../../../src/core/etcd/status/disk.ts';
import { etcdFigures } from '../../../src/core/etcd/status/figures.ts';
import { type Counted, scrapeOf, scrapeText } from './facts.ts';

const figures = (counted: Counted, before?: Counted) =>
  etcdFigures(scrapeOf(scrapeText(counted), 3000), before === undefined ? undefined : scrapeOf(scrapeText(before), 1000));

/** By bucket: 1, 2, 4, 8, 16 ms. */
const FAST = [0, 0, 1000];
const SLOW = [0, 0, 0, 0, 1000];

describe('figures', () => {
  test('with one scrape are since the start', () => {
    const { windowSeconds, fsync, leaderChanges, quotaBytes } = figures({ fsync: FAST, leaderChanges: 3 });
    expect({ windowSeconds, fsync, leaderChanges, quotaBytes }).toEqual({
      windowSeconds: null,
      fsync: { samples: 1000, p50Ms: 3, p99Ms: 3.98 },
      leaderChanges: 3,
      quotaBytes: 8 * 1024 ** 3,
    });
  });

  test('with two are of what lies between', () => {
    const { windowSeconds, fsync, leaderChanges } = figures(
      { fsync: [0, 0, 1000, 0, 200], leaderChanges: 5 },
      { fsync: FAST, leaderChanges: 3 },
    );
    expect({ windowSeconds, samples: fsync.samples, leaderChanges }).toEqual({ windowSeconds: 2, samples: 200, leaderChanges: 2 });
    expect(fsync.p50Ms).toBeGreaterThan(8);
  });

  test('after a restart are since the start again', () => {
    const restarted: Counted = { fsync: [0, 0, 150], startedAt: 2_000_000_000, leaderChanges: 1 };
    expect(figures(restarted, { fsync: [0, 0, 100], startedAt: 1_900_000_000 })).toMatchObject({
      windowSeconds: null,
      fsync: { samples: 150 },
    });
    // The start is told in whole numbers of a clock that may be wrong: a counter that went back says it too.
    expect(figures({ fsync: [0, 0, 99] }, { fsync: FAST })).toMatchObject({ windowSeconds: null, fsync: { samples: 99 } });
  });

  test('of few samples have no 99th percentile, and of none no middle', () => {
    expect(figures({ fsync: [99] }).fsync).toEqual({ samples: 99, p50Ms: 0.5, p99Ms: null });
    expect(figures({ fsync: [100] }).fsync.p99Ms).toBeCloseTo(0.99);
    expect(figures({ fsync: [] }).fsync).toEqual({ samples: 0, p50Ms: null, p99Ms: null });
  });

  test('of peers are by member', () => {
    const { peers } = figures({ peers: { b2: [200], c3: [0, 0, 0, 0, 200] } });
    expect(peers.map(({ memberId }) => memberId)).toEqual(['b2', 'c3']);
    expect(peers[1]?.roundTrip.p99Ms).toBeGreaterThan(15);
  });

  test('of a metric that is not served are not known', () => {
    const { leaderChanges, quotaBytes, fsync } = etcdFigures(scrapeOf('etcd_server_proposals_pending 2\n'));
    expect({ leaderChanges, quotaBytes, fsync }).toEqual({
      leaderChanges: null,
      quotaBytes: null,
      fsync: { samples: 0, p50Ms: null, p99Ms: null },
    });
  });
});

describe('the verdict on a disk', () => {
  const verdict = (counted: Counted) => judgeDisk(figures(counted)).verdict;

  test.each([
    ['fast', { fsync: FAST, commit: SLOW }, 'good'],
    ['a log above 10 ms', { fsync: SLOW, commit: FAST }, 'slow'],
    ['a database above 25 ms', { fsync: FAST, commit: [0, 0, 0, 0, 0, 1000] }, 'slow'],
    ['too few writes', { fsync: [50], commit: [50] }, 'unknown'],
    // What is known is enough to say no, and not enough to say yes.
    ['a slow log, and too few writes of the database', { fsync: SLOW, commit: [5] }, 'slow'],
    ['a fast log, and too few writes of the database', { fsync: FAST, commit: [5] }, 'unknown'],
  ])('%s', (_, counted, wanted) => {
    expect(verdict(counted)).toBe(wanted);
  });

  test('says over which time, and what etcd asks for', () => {
    expect(judgeDisk(figures({ fsync: SLOW })).says).toMatch(
      /fsync of the log takes 15\.\d+ ms .* less than 10 ms.*since the member started/,
    );
    expect(judgeDisk(figures({ fsync: [0, 0, 2000] }, { fsync: FAST, commit: [] })).says).toContain('over the last 2.0 s');
  });
});
