import { expect, test } from 'vitest';
import type { FleetRecord, WatchGap, WriteRecord } from '../../../src/core/drill/fleet.ts';
import { timeFleet } from '../../../src/core/drill/fleet-times.ts';

const CRASH = { faultMs: 1000, struck: ['cp1'] };

function fleet(gaps: WatchGap[][], writes: Partial<WriteRecord>[][]): FleetRecord {
  return {
    watchers: gaps.map((own) => ({ lists: [{ resourceVersion: 1, sequences: [], events: 0 }], events: [], gaps: own })),
    writers: writes.map((own) => ({
      writes: own.map((write, i) => ({ sequence: i + 1, sentMs: 0, endMs: 0, outcome: 'acknowledged' as const, ...write })),
      reads: [],
      final: null,
    })),
    gets: [
      { startMs: 900, endMs: 910, ok: true },
      { startMs: 1005, endMs: 1300, ok: false, error: 'ECONNRESET' },
      { startMs: 1300, endMs: 1350, ok: true },
    ],
    stoppedMs: 3000,
    endMs: 4000,
  };
}

test('watches that were lost count from when the client knew, and from the last it heard; what never came back, to the end', () => {
  const times = timeFleet(
    fleet(
      [
        [{ heardMs: 500, lostMs: 600, resumedMs: 700 }],
        [{ heardMs: 990, lostMs: 1100, resumedMs: 1500, server: 'cp1', error: 'ECONNRESET' }],
        [{ heardMs: 995, lostMs: 1200, resumedMs: null, server: 'cp1', error: 'ECONNRESET' }],
      ],
      [[]],
    ),
    CRASH,
  );
  expect(times).toMatchObject({
    watchesLostBefore: 1,
    watchesLost: 2,
    lostElsewhere: { ended: 0, broken: 0 },
    withoutWatchMs: { median: (400 + 2800) / 2, max: 2800 },
    unheardMs: { median: (510 + 3005) / 2, max: 3005 },
    relists: 0,
    gets: { total: 3, failed: 1, outageMs: 440 },
  });
});

test('watches of API servers that were not struck are told apart, and those that they ended themselves from those that broke', () => {
  const gap = { heardMs: 990, lostMs: 1100, resumedMs: 1500 };
  const gaps: WatchGap[][] = [
    [{ ...gap, server: 'cp1', error: 'ECONNRESET' }],
    [{ ...gap, server: 'cp2' }],
    [{ ...gap, server: 'cp3', error: 'ECONNRESET' }],
    // Moved by the fault, and lost once more: one watcher, and its second watch was elsewhere.
    [
      { ...gap, server: 'cp1', error: 'ECONNRESET' },
      { ...gap, lostMs: 1600, server: 'cp3' },
      { ...gap, lostMs: 1700, server: 'cp3', error: 'ECONNRESET' },
    ],
    [{ ...gap, lostMs: 900, server: 'cp2', error: 'ECONNRESET' }],
    // Nobody said which API server it was.
    [gap],
  ];
  expect(timeFleet(fleet(gaps, [[]]), CRASH)).toMatchObject({ watchesLost: 5, lostElsewhere: { ended: 1, broken: 2 } });
});

test('a stall is the longest time without an acknowledgement of any writer, and one that does not end lasts until the writers end', () => {
  const writes = [
    [
      { sentMs: 10, endMs: 20 },
      { sentMs: 900, endMs: 1400, outcome: 'found' as const },
    ],
    [
      { sentMs: 500, endMs: 950 },
      { sentMs: 1350, endMs: 1600 },
    ],
  ];
  expect(timeFleet(fleet([], writes), CRASH)).toMatchObject({ stalledMs: 1400, failedWrites: 1, writeMs: { median: 375, max: 500 } });
  expect(timeFleet(fleet([], [[{ sentMs: 10, endMs: 20 }]]), CRASH)).toMatchObject({ stalledMs: 2980, writeMs: { median: Number.NaN } });
});
