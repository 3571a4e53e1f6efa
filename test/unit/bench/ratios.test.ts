import { describe, expect, test } from 'vitest';
import { type DatapathResult, renderDatapath } from '../../../bench/datapath.ts';
import { type Measured, ratios } from '../../../bench/datapath/ratios.ts';

const numbers = (gbps: number, connectionsPerSecond: number, p50us: number, p99us: number) => ({
  gbps,
  uploadGbps: gbps,
  connectionsPerSecond,
  p50us,
  p99us,
});
const measured: Measured = {
  direct: numbers(12, 12_000, 100, 400),
  haproxy: numbers(6, 5000, 200, 900),
  dsr: numbers(11.4, 6000, 103, 444),
  socket: null,
};
const ratio = (what: string) => ratios(measured).find((candidate) => candidate.what === what);

describe('ratios of datapaths', () => {
  test('throughput and connections shall be at least a part of those of the other', () => {
    expect(ratio('dsr over direct: throughput')).toMatchObject({ ratio: 0.95, must: 0.9, aim: 0.98, atMost: false, verdict: 'must' });
    expect(ratio('dsr over haproxy: throughput')).toMatchObject({ ratio: 1.9, verdict: 'must' });
    expect(ratio('dsr over haproxy: connections per second')).toMatchObject({ ratio: 1.2, must: 1.5, verdict: 'missed' });
  });

  test('latency shall be at most a multiple of that of the other', () => {
    expect(ratio('dsr over direct: latency, p50')).toMatchObject({ ratio: 1.03, must: 1.1, aim: 1.02, atMost: true, verdict: 'must' });
    expect(ratio('dsr over direct: latency, p99')).toMatchObject({ ratio: 1.11, verdict: 'missed' });
  });

  test('a bound is reached by a ratio that is printed like it', () => {
    const close = ratios({ direct: numbers(1000, 1, 1, 1), dsr: numbers(976, 1, 1, 1) });
    expect(close[0]).toMatchObject({ ratio: 0.98, verdict: 'aim' });
  });

  test('what was not measured, or is not there at all, has no ratio', () => {
    expect(ratio('socket over direct: throughput')).toMatchObject({ ratio: null, verdict: 'not measured' });
    expect(ratio('nat over forwarding: throughput')).toMatchObject({ ratio: null, verdict: 'not measured' });
  });
});

test('the table has a line for what was measured, a reason for what was not, and every ratio', () => {
  const { direct = null, dsr = null } = measured;
  const run = (of: typeof direct) => ({
    ...numbers(1, 1, 1, 1),
    ...of,
    failed: 2,
    cpuPercent: { throughput: 70, connections: 99, latency: 40 },
  });
  const result: DatapathResult = {
    runs: 1,
    datapath: { direct, dsr, ipvs: null },
    reference: { forwarding: null },
    skipped: { ipvs: 'no such kernel' },
    ratios: ratios(measured),
    values: { direct: [run(direct)], dsr: [run(dsr)] },
    method: ['as it was'],
  };
  const text = renderDatapath(result);
  expect(text).toContain('## Datapaths: medians of 1 runs');
  expect(text).toMatch(/^\| dsr +\| +11\.4 \| +11\.4 \| +6000 \| +103 \| +444 \| +2 \|$/m);
  expect(text).not.toMatch(/^\| ipvs/m);
  expect(text).toContain('Not measured: ipvs, no such kernel.');
  expect(text).toMatch(/^\| dsr over direct: latency, p99 +\| 1\.11 +\| <= 1\.1 +\| <= 1\.02 +\| missed +\|$/m);
  expect(text).toMatch(/^\| nat over forwarding: throughput +\| +\| >= 0\.95 +\| >= 1 +\| not measured +\|$/m);
  expect(text).toContain('- as it was');
});
