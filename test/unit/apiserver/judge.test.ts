import { describe, expect, test } from 'vitest';
import { computeFigures } from '../../../src/core/apiserver/figures.ts';
import { judge } from '../../../src/core/apiserver/judge.ts';
import type { Instance, JudgementId } from '../../../src/core/apiserver/judgement.ts';
import { scrapeOf, serverText } from './scrapes.ts';

const thresholds = {
  requestRateSpreadPercent: 15,
  requestP99Ms: 800,
  etcdRequestP99Ms: 100,
  memoryPercent: 70,
  inFlightPercent: 80,
  certificateDays: 30,
};

type Counts = Parameters<typeof serverText>[0];

/** From nothing to `counts` within 10 s. */
function instance(counts: Counts, { name = 'cp1', change = (text: string) => text } = {}): Instance {
  const figures = computeFigures(scrapeOf(change(serverText({})), 0), scrapeOf(change(serverText(counts)), 10_000));
  return { name, figures, problem: null, hostMemoryBytes: 1e9 };
}

const judged = (instances: Instance | Instance[], id: JudgementId, changed: Partial<typeof thresholds> = {}) =>
  judge([instances].flat(), { ...thresholds, ...changed }).filter((judgement) => judgement.id === id);

test('every finding says why it matters and what to do; nothing else does', () => {
  const bad = instance({
    codes: { 500: 10 },
    get: [0, 0, 50],
    etcd: [0, 0, 50],
    certificates: [5, 0, 0],
    more: 'apiserver_audit_error_total 1\n',
  });
  const all = judge(
    [
      { ...bad, hostMemoryBytes: 3e8 },
      { name: 'cp2', figures: null, problem: 'refused', hostMemoryBytes: null },
    ],
    thresholds,
  );
  const findings = all.filter(({ verdict }) => verdict === 'finding');
  expect(findings.map(({ id, instance: name }) => `${id} ${name}`)).toEqual([
    'request-p99 cp1',
    'etcd-p99 cp1',
    'memory cp1',
    'failures cp1',
    'client-certificates cp1',
    'unreachable cp2',
  ]);
  for (const { verdict, why, remedy, says } of all) {
    expect(
      [why, remedy].every((text) => (text === null) === (verdict !== 'finding')),
      says,
    ).toBe(true);
  }
});

describe('p99 of a verb', () => {
  test('below, and above the threshold, with the bucket that holds it', () => {
    // Rank 99 of 100 is the 49th of 50 between 0.1 and 0.8.
    expect(judged(instance({ get: [50, 50, 0] }), 'request-p99')).toMatchObject([
      {
        verdict: 'good',
        value: 786,
        threshold: 800,
        unit: 'ms',
        says: 'GET: p99 is 786 ms, between 100 and 800 ms for certain (100 requests)',
      },
    ]);
    expect(judged(instance({ get: [50, 50, 0] }), 'request-p99', { requestP99Ms: 700 })).toMatchObject([
      { verdict: 'finding', value: 786 },
    ]);
  });

  test('above the last bound it is more than that bound, also where the threshold is that bound', () => {
    expect(judged(instance({ get: [0, 0, 50] }), 'request-p99')).toMatchObject([
      { verdict: 'finding', says: 'GET: p99 is above 800 ms, the last bound of its histogram (50 requests)' },
    ]);
  });

  test('29 requests are not judged, however slow; 30 are', () => {
    expect(judged(instance({ get: [0, 0, 29] }), 'request-p99')).toMatchObject([
      { verdict: 'not-judged', value: null, says: 'too few requests, it takes 30 of a kind: 29 GET' },
    ]);
    expect(judged(instance({ get: [0, 0, 30] }), 'request-p99')).toMatchObject([{ verdict: 'finding' }]);
  });

  test('of nothing is not good', () => {
    expect(judged(instance({}), 'request-p99')).toMatchObject([{ verdict: 'not-judged', says: 'no request ended in the window' }]);
  });
});

describe('spread of the request rate', () => {
  const three = (...counts: number[]) => counts.map((count, i) => instance({ codes: { 200: count } }, { name: `cp${i + 1}` }));

  test('the farthest from the mean is named', () => {
    expect(judged(three(1000, 1000, 1600), 'request-rate-spread')).toMatchObject([
      {
        instance: 'cp3',
        verdict: 'finding',
        value: 33.3,
        threshold: 15,
        says: '160.0 requests per second, 33.3 percent from the mean of 120.0',
      },
    ]);
    expect(judged(three(1000, 1000, 1100), 'request-rate-spread')).toMatchObject([{ verdict: 'good', instance: 'cp3', value: 6.5 }]);
  });

  test('so few that chance alone spreads them as far are not judged', () => {
    expect(judged(three(0, 0, 500), 'request-rate-spread')).toMatchObject([{ verdict: 'not-judged' }]);
    expect(judged(three(0, 0, 540), 'request-rate-spread')).toMatchObject([{ verdict: 'finding', value: 200 }]);
    expect(judged(three(0, 0, 0), 'request-rate-spread')).toMatchObject([{ verdict: 'not-judged' }]);
  });

  test('without one of them there is no mean of all; alone there is nothing to compare', () => {
    const [one, two] = three(1000, 1000) as [Instance, Instance];
    expect(judged([one, { ...two, figures: null, problem: 'refused' }], 'request-rate-spread')).toMatchObject([
      { verdict: 'not-judged', instance: 'cp2' },
    ]);
    expect(judged([one], 'request-rate-spread')).toEqual([]);
  });
});

test('seats: without those that are exempt; the fullest level is named', () => {
  expect(judged(instance({}), 'in-flight')).toMatchObject([
    { verdict: 'good', value: 45, says: '45 of 100 seats taken; fullest is workload-low with 45 of 50' },
  ]);
  expect(judged(instance({}), 'in-flight', { inFlightPercent: 44 })).toMatchObject([{ verdict: 'finding' }]);
});

test('memory: of its host where that is known', () => {
  expect(judged(instance({}), 'memory', { memoryPercent: 29 })).toMatchObject([{ verdict: 'finding', value: 30 }]);
  expect(judged(instance({}), 'memory', { memoryPercent: 30 })).toMatchObject([{ verdict: 'good' }]);
  expect(judged({ ...instance({}), hostMemoryBytes: null }, 'memory')).toMatchObject([{ verdict: 'not-judged' }]);
});

describe('certificates of clients', () => {
  const verdictOf = (counts: number[], certificateDays: number) =>
    judged(instance({ certificates: counts }), 'client-certificates', { certificateDays })[0]?.verdict;

  test('a bound at the threshold decides', () => {
    expect([verdictOf([0, 0, 9], 30), verdictOf([0, 1, 9], 30), verdictOf([1, 0, 9], 7)]).toEqual(['good', 'finding', 'finding']);
  });

  test('between two bounds only what is certain is said', () => {
    expect(verdictOf([1, 0, 9], 20)).toBe('finding');
    expect(verdictOf([0, 1, 9], 20)).toBe('not-judged');
    expect(verdictOf([0, 0, 9], 20)).toBe('good');
    expect(verdictOf([0, 0, 9], 60)).toBe('not-judged');
  });

  test('of nobody is not good', () => {
    expect(verdictOf([0, 0, 0], 30)).toBe('not-judged');
  });
});

test('failures of long ago are told, but are no finding', () => {
  const old = 'apiserver_admission_webhook_fail_open_count{name="x",type="admit"} 4\n';
  const figures = computeFigures(scrapeOf(serverText({ more: old }), 0), scrapeOf(serverText({ more: old }), 10_000));
  expect(judged({ name: 'cp1', figures, problem: null, hostMemoryBytes: null }, 'failures')).toMatchObject([
    { verdict: 'good', says: '0 requests let through because an admission webhook failed (4 since its start)' },
  ]);
});

test('after a restart that is the finding, and what needs counters is not judged', () => {
  const figures = computeFigures(scrapeOf(serverText({ codes: { 200: 9 } }), 0), scrapeOf(serverText({}), 10_000));
  const all = judge([{ name: 'cp1', figures, problem: null, hostMemoryBytes: 1e9 }], thresholds);
  expect(all.map(({ id, verdict }) => `${id}: ${verdict}`)).toEqual([
    'restarted: finding',
    'request-p99: not-judged',
    'etcd-p99: not-judged',
    'in-flight: good',
    'rejected: not-judged',
    'memory: good',
    'failures: not-judged',
    'client-certificates: not-judged',
  ]);
});

test('a metric that is not served is told, as is a line that makes no sense', () => {
  const change = (text: string) => `${text.replaceAll(/^etcd_request.*\n/gm, '')}apiserver_request_total{oops\n`;
  const figures = instance({}, { change });
  expect(judged(figures, 'etcd-p99')).toMatchObject([{ verdict: 'not-judged', says: 'it serves no etcd_request_duration_seconds_bucket' }]);
  expect(judged(figures, 'scrape').map(({ says }) => says)).toEqual([
    'it serves no etcd_request_duration_seconds_bucket: another release of Kubernetes?',
    expect.stringMatching(/^2 lines of its metrics make no sense, first line \d+: "apiserver_request_total\{oops"$/),
  ]);
});
