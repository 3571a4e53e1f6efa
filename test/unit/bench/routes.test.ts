import { describe, expect, test } from 'vitest';
import { agentLines } from '../../../bench/agent-log.ts';
import { packetTimes } from '../../../bench/routes/packets.ts';
import { type RoutesRun, type RoutesResult } from '../../../bench/routes.ts';
import { renderRoutes } from '../../../bench/routes/render.ts';

const RUN: RoutesRun = {
  failed: 2,
  failingForMs: 150,
  outageMs: 12,
  quietGapMs: 6,
  probeLagMs: 1,
  kept: 290,
  reset: 9,
  hung: 1,
  othersLost: 0,
  longestWaitMs: 220,
  drain: null,
};

test('packets are the lines of tcpdump that begin with a time, on the other clock', () => {
  const log = [
    'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode',
    'listening on eth0, link-type EN10MB (Ethernet), snapshot length 96 bytes',
    '1795441352.287788 IP 10.66.0.200.24914 > 10.66.0.100.6443: tcp 0',
    '1795441352.288000 IP 10.66.0.200.24914 > 10.66.0.100.6443: tcp 1593',
    '2 packets captured',
    '',
  ];
  expect(packetTimes(log.join('\n'), { offsetMs: 1795441352000 })).toEqual([expect.closeTo(287.788, 2), expect.closeTo(288, 2)]);
});

test('what is no line of the agent is left out of its log', () => {
  const log = 'Warning: 1\n{"time":"2026-01-01T00:00:01.250Z","msg":"routes withdrawn","by":"bgp"}\n5\nnull\n';
  const offsetMs = Date.parse('2026-01-01T00:00:00.000Z');
  expect(agentLines(log, { offsetMs })).toEqual([{ atMs: 1250, msg: 'routes withdrawn', fields: expect.objectContaining({ by: 'bgp' }) }]);
});

describe('the tables of routes', () => {
  const drain = { askedMs: 40, withdrawnMs: 5040, lastPacketMs: 41, packetsAfterAsked: 3, packetsAfterWithdrawn: 0 };
  const subject = (name: string, fault: 'drain' | 'crash', runs: RoutesRun[]) => ({ name, fault, runs, discarded: 0, quietGapMs: 6 });
  const table = (result: Pick<RoutesResult, 'subjects'>) =>
    renderRoutes({ runs: 2, apiserver: 'stand-in', ...result }).replaceAll(/ +/g, ' ');

  test('connections are sums of all runs, requests medians and maxima', () => {
    const text = table({ subjects: [subject('dsr', 'crash', [RUN, { ...RUN, failed: 4, hung: 0 }])] });
    expect(text).toContain('| dsr | 3 | 4 | 150 | 150 | 12 | 12 |');
    expect(text).toContain('| dsr | 580 | 18 | 1 | 0 | 220 | 220 |');
    expect(text).toContain('| dsr | 2, 4 | 150, 150 | 12, 12 | 290/9/1, 290/9/0 |');
    expect(text).not.toContain('withdrawn after');
  });

  test('packets after the withdrawal are the most of any run', () => {
    const worse = { ...drain, packetsAfterWithdrawn: 2 };
    const runs = [
      { ...RUN, drain },
      { ...RUN, drain: worse },
    ];
    expect(table({ subjects: [subject('nat', 'drain', runs)] })).toContain('| nat | 40 | 41 | 5040 | 2 | 3 |');
  });
});
