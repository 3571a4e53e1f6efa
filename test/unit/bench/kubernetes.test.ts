import { describe, expect, test } from 'vitest';
import { keptOutcome } from '../../../bench/kubernetes/crash.ts';
import { renderKubernetes } from '../../../bench/kubernetes.ts';
import type { Run, SubjectResult } from '../../../bench/kubernetes/result.ts';

describe('clients with a kept connection', () => {
  const answered = (endMs: number) => ({ startMs: endMs - 1, endMs, ok: true });
  const failed = (startMs: number, endMs: number) => ({ startMs, endMs, ok: false, error: 'reset' });

  test('the outage of each reaches from its last answer to the next', () => {
    const steady = [answered(900), answered(1000), answered(1100), answered(1200)];
    const struck = [answered(900), failed(1000, 1300), answered(1400), answered(1500)];
    expect(keptOutcome([steady, struck], 950)).toEqual({ keptOutagesMs: [100, 500], keptFailedBefore: 0 });
  });

  test('a request that hung to the end counts to the end, not to its beginning', () => {
    const hung = [answered(900), failed(1000, 9000)];
    expect(keptOutcome([hung], 950).keptOutagesMs).toEqual([8100]);
  });

  test('what failed before the fault is no part of the outage, and is counted', () => {
    const unsteady = [answered(100), failed(200, 700), answered(900), answered(1000)];
    expect(keptOutcome([unsteady], 950)).toEqual({ keptOutagesMs: [100], keptFailedBefore: 1 });
  });
});

describe('the tables', () => {
  const run: Run = {
    outageMs: 300,
    failed: 10,
    failedBefore: 0,
    loopMs: 400,
    keptMs: { median: 200, max: 500 },
    watchesLost: 0,
    unheardMs: { median: null, max: null },
    withoutWatchMs: { median: null, max: null },
    stalledMs: 600,
    committedWrites: 100,
    lostWrites: 0,
    lostEvents: 0,
    unknown: 0,
    maxSimultaneous: 1,
    overlapMs: 0,
    moved: true,
    holderBefore: 'cp1',
    holderAfter: 'cp2',
    probeLagMs: 1,
    watchedEveryMsMax: 2,
  };
  const start = { machines: 1000, etcd: 1000, apiservers: 10_000, controllers: 1000, address: 2000, leaders: 0 };
  const subject = (name: string, runs: Partial<Run>[], hale: boolean): SubjectResult => ({
    name,
    does: ['a', 'b', 'c'],
    hale,
    discarded: 0,
    runs: runs.map((values) => ({ ...run, ...values })),
    starts: [hale ? start : { ...start, address: 30_000, apiservers: 20_000 }],
  });
  const lost = { watchesLost: 170, unheardMs: { median: 1000, max: 5000 } };
  const subjects = [
    subject('hale', [{ outageMs: 200, keptMs: { median: 100, max: 110 } }, {}, { outageMs: 900, ...lost }], true),
    subject(
      'other',
      [
        { lostWrites: 1, lostEvents: 2 },
        { lostWrites: 2, overlapMs: 12.5, maxSimultaneous: 2, moved: false },
      ],
      false,
    ),
  ];
  const text = renderKubernetes({ method: [], runs: 3, apiserver: 'kube-apiserver v1', kubeVip: null, subjects });
  const row = (table: string, name: string) =>
    text
      .slice(text.indexOf(`| ${table}`))
      .split('\n')
      .find((line) => line.startsWith(`| ${name} `))
      ?.split('|')
      .slice(2, -1)
      .map((cell) => cell.trim());

  test('outages are the median and the worst of the runs; of many clients the median of medians and the worst of all', () => {
    expect(row('outage in ms', 'hale')).toEqual(['300, 900', '10, 10', '400, 400', '200, 500', '1000, 5000', '0, 170', '600, 600']);
  });

  test('where no watch was lost there is no time without one', () => {
    expect(row('outage in ms', 'other')?.[4]).toBe('-, -');
  });

  test('losses are sums, two holders the worst', () => {
    expect(row('lost, all runs', 'other')?.slice(0, 7)).toEqual(['200', '3', '2', '0', '2', '12.5', '1']);
  });

  test('parts of the start are of all labs, the whole of those of hale alone', () => {
    expect(row('from nothing', '3 API servers ready')).toEqual(['15', '20', '2']);
    expect(row('from nothing', 'all of it')).toEqual(['15', '15', '1']);
  });

  test('a kube-vip that could not be built is said to be absent', () => {
    expect(text.split('\n')[0]).toContain('kube-vip: absent');
  });
});
