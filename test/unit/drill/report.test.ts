import { describe, expect, test } from 'vitest';
import { measure } from '../../../src/core/drill/measure.ts';
import type { DrillRecord } from '../../../src/core/drill/record.ts';
import { drillResult } from '../../../src/core/drill/result.ts';
import { type Scenario, scenarioByName } from '../../../src/core/drill/scenario.ts';
import { faultWindow, renderReport } from '../../../src/lab/report/report.ts';
import { binRequests } from '../../../src/lab/report/timeline.ts';
import { FAULT_MS, ownerCrashRecord, quietFleet } from './synthetic.ts';

function reportOf(record: DrillRecord, title = 'Drills of the lab'): string {
  const scenario = scenarioByName('owner-crash') as Scenario;
  const facts = {
    endpoint: '10.0.0.10:6443',
    apiserver: 'stand-in',
    profile: 'default',
    leaseMs: 300,
    requestEveryMs: 5,
    startedAt: '2026-01-01T00:00:00Z',
    report: null,
  };
  const result = drillResult({ scenario, ...facts }, measure(record));
  return renderReport({ title, facts: [['Kernel', 'Linux <6.18>']], drills: [{ result, record }] });
}

/** What a reader sees, without tags and pictures. */
function textOf(html: string): string {
  return html
    .replaceAll(/<(svg|style)[^]*?<\/\1>/g, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}

describe('report', () => {
  test('says every number of the result, and that a stand-in answered', () => {
    const text = textOf(reportOf(ownerCrashRecord()));
    for (const said of [
      'Outage 310 ms 450 ms allowed',
      'Failed requests 61 of 2 200 sent, one every 5 ms',
      'Connections kept 204 of 300 long-lived',
      'Connections reset 96',
      'Connections hung 0',
      'Lost on other hosts 0 whose API server was not struck',
      'datapath proxy',
      'All 204 connections to API servers on other hosts lived on. Of 96 to the struck host 96 were lost, and told: the active ones after 545 ms (median), the idle ones after 655 ms (median); none hung.',
      'active, on the struck host 0 72 0 545 ms 780 ms',
      'idle, on the others 51 0 0 – –',
      'Answering at once 1 overlap 0 ms',
      'All hosts were asked every 1 ms (99 %: 1 ms, at worst 1 ms)',
      'Holder cp1 → cp2',
      'API server: stand-in (not kube-apiserver)',
      'PASS',
      '10.0.0.10:6443',
      'Linux &lt;6.18&gt;',
      'cp3 133 870',
    ]) {
      expect(text).toContain(said);
    }
  });

  test('says what became of writes and watches, where there were any', () => {
    expect(textOf(reportOf(ownerCrashRecord()))).not.toContain('watches and');
    const text = textOf(reportOf({ ...ownerCrashRecord(), fleet: quietFleet() }));
    for (const said of [
      'All 100 writes that the API acknowledged are there. Every watcher saw every change once and in order, or listed what it had missed.',
      '3 watches and 10 writers over HTTP/2',
      'Of these, to such an API server, with a connection that broke 0',
      'Without a watch, from when the client knew 75 ms (median) 100 ms (at worst)',
      'Outage of GETs over new connections 400 ms 0 of 2 failed',
    ]) {
      expect(text).toContain(said);
    }
    const lost = quietFleet();
    lost.watchers[0]?.events.splice(0, 3);
    expect(textOf(reportOf({ ...ownerCrashRecord(), fleet: lost }))).toContain('Watch events lost: 1, twice: 0, out of order: 0.');
  });

  test('says what the drill allows and what the rig shows without a fault, both of them', () => {
    const of = (record: DrillRecord): string => textOf(reportOf(record));
    const without = 'Without a fault, in the 1 995.5 ms before it, the longest time between two successes was 5 ms.';
    expect(of(ownerCrashRecord())).toContain(without);
    expect(of(ownerCrashRecord())).toContain('Outage 310 ms 450 ms allowed Failed');
    const real = of({ ...ownerCrashRecord(), fleet: quietFleet() });
    expect(real).toContain(without);
    expect(real).toContain('Outage 310 ms 450 ms allowed, and 5 ms as without a fault');
  });

  test('says that no connection told where it lived, where none did', () => {
    const record = ownerCrashRecord();
    for (const connection of record.connections) delete connection.server;
    const text = textOf(reportOf(record));
    expect(text).toContain('No connection said on which API server it lived.');
    expect(text).toContain('Lost on other hosts not known');
  });

  test('needs nothing from outside and runs no script', () => {
    const html = reportOf(ownerCrashRecord());
    expect(html).not.toMatch(/<script|<link|@import|url\(|\bsrc=/);
    expect(html.replaceAll('http://www.w3.org/2000/svg', '').replaceAll('http://www.w3.org/1999/xlink', '')).not.toContain('http');
  });

  test('text from outside is never markup', () => {
    const record = ownerCrashRecord();
    for (const answer of record.watch.answers) answer.host = `<b>"${answer.host}`;
    for (const mark of record.marks) mark.label = '<img onerror=x>';
    const html = reportOf(record, '</title><i>');
    expect(html).not.toMatch(/<b>|<img|<i>/);
    expect(html).toContain('&lt;img onerror=x&gt;');
  });

  test('the plots name themselves, and show marks, hosts and failures', () => {
    const svgs = reportOf(ownerCrashRecord()).match(/<svg[^]*?<\/svg>/g) ?? [];
    expect(svgs).toHaveLength(2);
    const [near, whole] = svgs as [string, string];
    expect(near).toMatch(/role="img" aria-label="[^"]*outage 310 ms/);
    for (const part of [
      '>cp1<',
      '>cp2<',
      '>cp1 vanishes<',
      '>outage 310 ms<',
      'var(--ok)',
      'var(--failed)',
      'var(--host-1)',
      'var(--host-2)',
    ]) {
      expect(near).toContain(part);
    }
    expect(whole).toContain('>cp1 returns<');
  });
});

test('the window around the fault is at least 2 s wide and reaches 1 s past recovery', () => {
  const record = ownerCrashRecord();
  const measurement = measure(record);
  expect(faultWindow(record, measurement)).toEqual({ fromMs: -500, toMs: 1500 });
  expect(faultWindow(record, { ...measurement, failingForMs: 2310 })).toEqual({ fromMs: -500, toMs: 3400 });
});

test('a request counts in the bin of the moment it was sent, none is lost or counted twice', () => {
  const { requests } = ownerCrashRecord();
  const bins = binRequests(requests, { originMs: FAULT_MS, fromMs: -2000, toMs: 9000, binMs: 10 });
  expect(bins.reduce((sum, [, { ok, failed }]) => sum + ok + failed, 0)).toBe(requests.length);
  expect(bins.find(([middleMs]) => middleMs === 5)).toEqual([5, { ok: 0, failed: 2 }]);
  expect(bins.find(([middleMs]) => middleMs === -5)).toEqual([-5, { ok: 2, failed: 0 }]);
});
