import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { measure } from '../../../src/core/drill/measure.ts';
import { outageOf, quietOf } from '../../../src/core/drill/outage.ts';
import type { FleetRecord, WriterRecord } from '../../../src/core/drill/fleet.ts';
import type { ConnectionRecord, DrillRecord, RequestRecord } from '../../../src/core/drill/record.ts';
import { type DrillResult, drillResult } from '../../../src/core/drill/result.ts';
import { type Scenario, scenarioByName } from '../../../src/core/drill/scenario.ts';
import { ownerCrashRecord, quietFleet } from './synthetic.ts';

const FAULT_MS = 1000;

/** One request every 5 ms from 0 to `toMs`, each answered after 2 ms; those for which `fails` holds time out. */
function requests(toMs: number, fails: (startMs: number) => boolean): RequestRecord[] {
  const records: RequestRecord[] = [];
  for (let startMs = 0; startMs <= toMs; startMs += 5) {
    const ok = !fails(startMs);
    records.push({ startMs, endMs: startMs + (ok ? 2 : 1000), ok, ...(ok ? { server: 'cp1' } : { error: 'time-out' }) });
  }
  return records;
}

describe('outage', () => {
  test('is the gap between the successes on both sides of the failures', () => {
    const outage = outageOf(
      requests(4000, (startMs) => startMs >= 1000 && startMs < 1300),
      FAULT_MS,
    );
    expect(outage).toEqual({ outageMs: 1302 - 997, startMs: 997 });
  });

  test('is at most one interval longer than the failing span, for any span after the fault', () => {
    fc.assert(
      fc.property(fc.integer({ min: FAULT_MS, max: 3000 }), fc.integer({ min: 10, max: 900 }), (from, lengthMs) => {
        const { outageMs } = outageOf(
          requests(5000, (startMs) => startMs >= from && startMs < from + lengthMs),
          FAULT_MS,
        );
        expect(outageMs).toBeGreaterThanOrEqual(lengthMs - 5);
        expect(outageMs).toBeLessThanOrEqual(lengthMs + 10);
      }),
    );
  });

  test('a larger gap before the fault is not its doing', () => {
    const outage = outageOf(
      requests(3000, (startMs) => startMs > 100 && startMs < 800),
      FAULT_MS,
    );
    expect(outage.outageMs).toBe(5);
  });

  test('one that never ends reaches to the last request, also when no request ever succeeded', () => {
    expect(
      outageOf(
        requests(3000, (startMs) => startMs >= 1000),
        FAULT_MS,
      ),
    ).toEqual({ outageMs: 3000 - 997, startMs: 997 });
    expect(
      outageOf(
        requests(3000, () => true),
        FAULT_MS,
      ),
    ).toEqual({ outageMs: 2000, startMs: FAULT_MS });
  });
});

describe('what the rig shows without a fault', () => {
  test('is the largest gap between two successes before the fault, whatever comes after it', () => {
    const slow = (startMs: number): boolean => (startMs > 300 && startMs < 380) || startMs > 1000;
    expect(quietOf(requests(3000, slow), FAULT_MS)).toEqual({ gapMs: 80, forMs: 998 });
  });

  test('is nothing where nothing succeeded', () => {
    expect(quietOf([], FAULT_MS)).toEqual({ gapMs: 0, forMs: 0 });
  });
});

function resultOf(name: string, change: (record: DrillRecord) => void = () => {}) {
  const record = ownerCrashRecord();
  change(record);
  const scenario = scenarioByName(name) as Scenario;
  const facts = {
    endpoint: '10.0.0.10:6443',
    apiserver: 'stand-in',
    profile: 'default',
    leaseMs: 300,
    requestEveryMs: 5,
    startedAt: '2026-01-01T00:00:00Z',
    report: null,
  };
  return drillResult({ scenario, ...facts }, measure(record));
}

describe('result of a drill', () => {
  test('a clean owner-crash passes with the numbers of its record', () => {
    expect(resultOf('owner-crash')).toEqual({
      scenario: 'owner-crash',
      endpoint: '10.0.0.10:6443',
      apiserver: 'stand-in',
      datapath: 'proxy',
      profile: 'default',
      startedAt: '2026-01-01T00:00:00Z',
      outageMs: 310,
      outageBoundMs: 450,
      quiet: { gapMs: 5, forMs: 1995.5 },
      rigAllowanceMs: 0,
      requests: { total: 2200, failed: 61, everyMs: 5 },
      connections: {
        total: 300,
        kept: 204,
        reset: 96,
        hung: 0,
        struck: { active: { kept: 0, reset: 72, hung: 0 }, idle: { kept: 0, reset: 24, hung: 0 } },
        others: { active: { kept: 153, reset: 0, hung: 0 }, idle: { kept: 51, reset: 0, hung: 0 } },
        survivorsLost: 0,
        // Active ones are reset at 310, 315, 320, 330 … 780, idle ones at 425, 445 … 885.
        toldAfterMs: { active: { median: 545, max: 780 }, idle: { median: 655, max: 885 } },
      },
      holders: {
        maxSimultaneous: 1,
        overlapMs: 0,
        watchedEveryMs: { median: 1, p99: 1, max: 1 },
        intervals: [
          { host: 'cp1', fromMs: -1999.9, toMs: -0.8 },
          { host: 'cp2', fromMs: 301.1, toMs: 8999.2 },
        ],
      },
      holderBefore: 'cp1',
      holderAfter: 'cp2',
      servers: { cp1: { before: 134, after: 0 }, cp2: { before: 133, after: 869 }, cp3: { before: 133, after: 870 } },
      verdict: 'pass',
      reasons: [],
      report: null,
    });
  });

  test('each broken expectation is a reason with its number', () => {
    const second = resultOf('owner-crash', (record) =>
      record.watch.answers.push({ round: 7000, host: 'cp3', asked: 'cp3', how: 'tcp', heardMs: 105_000.1 }),
    );
    expect(second).toMatchObject({ verdict: 'fail', reasons: ['2 hosts answered for the address at once, for at least 0 ms'] });

    const drain = resultOf('drain');
    expect(drain.reasons).toEqual([
      'the outage lasted 310 ms; at most 100 ms were allowed',
      'requests still failed 302 ms after the fault; at most 0 ms were allowed',
      '61 requests failed; at most 0 were allowed',
    ]);

    const hung = resultOf('owner-freeze', (record) => Object.assign(record.connections[0] as ConnectionRecord, { longestWaitMs: 7000 }));
    expect(hung.reasons).toEqual(['1 connections hung; at most 0 were allowed']);

    expect(resultOf('apiserver-crash').reasons).toContain('the address moved from cp1 to cp2; it was to stay');
  });

  test('a connection that broke although its host was not struck fails a drill where the datapath is to keep it, and only there', () => {
    const broken = (record: DrillRecord): void => {
      Object.assign(record.connections[299] as ConnectionRecord, { resetMs: 100_400 });
      Object.assign(record.connections[298] as ConnectionRecord, { longestWaitMs: 7000 });
    };
    const reason = '2 connections were lost whose API server was on a host that was not struck; at most 0 were allowed';
    const dsr = resultOf('owner-crash', (record) => (broken(record), (record.course.datapath = 'dsr')));
    expect(dsr).toMatchObject({ datapath: 'dsr', verdict: 'fail', connections: { survivorsLost: 2 } });
    expect(dsr.reasons).toContain(reason);
    expect(resultOf('owner-crash', broken).reasons).not.toContain(reason);
    // The address stays there.
    expect(resultOf('apiserver-crash', broken).reasons).toContain(reason);
  });

  test('which host a connection lived on is not known of an API server that does not say', () => {
    const result = resultOf('owner-crash', (record) => {
      record.course.datapath = 'dsr';
      for (const connection of record.connections) delete connection.server;
    });
    const none = { kept: 0, reset: 0, hung: 0 };
    expect(result.connections).toEqual({
      total: 300,
      kept: 204,
      reset: 96,
      hung: 0,
      struck: { active: none, idle: none },
      others: { active: none, idle: none },
      survivorsLost: null,
      toldAfterMs: { active: { median: null, max: null }, idle: { median: null, max: null } },
    });
    expect(result.verdict).toBe('pass');
  });

  describe('with dsr, an old holder that steers for its successor', () => {
    /** cp2 holds from 100,300 on, and `host` steers besides. */
    const steering = (record: DrillRecord, { host = 'cp1', untilMs = 102_300 } = {}): void => {
      record.course.datapath = 'dsr';
      for (const [round, timeMs] of record.watch.askedMs.entries()) {
        if (timeMs > 100_300 && timeMs < untilMs) {
          record.watch.answers.push({ round, host: 'cp3', asked: host, how: 'tcp', heardMs: timeMs + 0.3 });
        }
      }
    };
    const atOnce = (change: (record: DrillRecord) => void, name = 'etcd-leader-crash'): number =>
      resultOf(name, (record) => {
        record.course.handOvers = [{ host: 'cp1', atMs: 100_301 }];
        change(record);
      }).holders.maxSimultaneous;

    test.each(['drain', 'etcd-leader-crash', 'controller-leader-crash'])('is no second holder after a planned hand-over, in %s', (name) => {
      expect(atOnce(steering, name)).toBe(1);
    });

    test('is one where nothing was handed over', () => {
      expect(atOnce((record) => (steering(record), (record.course.handOvers = [])), 'drain')).toBe(2);
    });

    test('is one when it steers for longer than it may', () => {
      expect(atOnce((record) => steering(record, { untilMs: 103_900 }))).toBe(2);
    });

    test('is one when it is not the one that handed over', () => {
      expect(atOnce((record) => steering(record, { host: 'cp3' }))).toBe(2);
    });

    test('is one when it answers on the link, if only once', () => {
      const answering = (record: DrillRecord): void => {
        steering(record);
        record.watch.answers.push({ round: 3000, host: 'cp1', how: 'arp', heardMs: 101_000.2 });
      };
      expect(atOnce(answering)).toBe(2);
    });
  });

  test('a drill that begins in trouble or measures nothing never passes', () => {
    const early = resultOf('owner-crash', (record) =>
      Object.assign(record.requests[3] as RequestRecord, { ok: false, error: 'ECONNREFUSED' }),
    );
    expect(early.reasons).toEqual(['1 requests failed before the fault: not a steady state']);
    const nothing = resultOf('owner-crash', (record) =>
      Object.assign(record, { requests: [], connections: [], watch: { askedMs: [], answers: [] } }),
    );
    expect(nothing.reasons).toEqual([
      'no request was sent, so nothing was measured',
      'nobody answered for the address before the fault',
      'nobody answered for the address after the fault',
    ]);
  });

  test('a fleet is in the result, and a word that the API broke is a reason, however late the instruments were', () => {
    const whole = resultOf('owner-crash', (record) => (record.fleet = quietFleet()));
    expect(whole).toMatchObject({
      verdict: 'pass',
      fleet: {
        writers: 10,
        watchers: 3,
        committedWrites: 100,
        failedWrites: 0,
        lostWrites: 0,
        lostEvents: 0,
        watchesLost: 2,
        lostElsewhere: { ended: 0, broken: 0 },
        cutOff: 0,
        withoutWatchMs: { median: 75, max: 100 },
        unheardMs: { median: 465, max: 490 },
        gets: { total: 2, failed: 0, outageMs: 400 },
      },
    });
    expect(resultOf('owner-crash')).not.toHaveProperty('fleet');
    const broken = resultOf('owner-crash', (record) => {
      record.fleet = quietFleet();
      record.probeLagMs = 9000;
      record.fleet.watchers[1]?.events.splice(30, 3);
      (record.fleet.writers[3] as WriterRecord).final = { after: 10, sequence: 9, resourceVersion: 1083 };
    });
    expect(broken).toMatchObject({ verdict: 'fail', fleet: { lostWrites: 1, lostEvents: 1 } });
    expect(broken.reasons).toEqual([
      '1 acknowledged writes were lost: write 10 of writer 3 was acknowledged, and 9 was read after 10',
      '1 watch events were lost: watcher 1 never saw write 2 of writer 0 (resource version 1010)',
    ]);
  });

  test('a fleet that began in trouble, measured nothing or did not come to its end never passes', () => {
    const reasonsOf = (change: (fleet: FleetRecord) => void) =>
      resultOf('owner-crash', (record) => change((record.fleet = quietFleet()))).reasons;
    expect(reasonsOf(({ writers }) => ((writers[2] as WriterRecord).final = null))).toEqual([
      'the objects of 1 writers could not be read at the end, so whether writes were lost is not known',
    ]);
    expect(reasonsOf(({ watchers }) => watchers[2]?.gaps.push({ heardMs: 1, lostMs: 108_000, resumedMs: null }))).toEqual([
      '1 of 3 watchers had no watch at the end',
    ]);
    expect(reasonsOf(({ watchers }) => watchers[2]?.gaps.push({ heardMs: 1, lostMs: 98_000, resumedMs: 98_100 }))).toEqual([
      '1 watches were lost before the fault: not a steady state',
    ]);
    expect(reasonsOf((fleet) => Object.assign(fleet, { writers: [], watchers: [] }))).toEqual([
      'no write of the fleet was acknowledged, so nothing was measured',
    ]);
  });

  test('with a real control plane the rig may be as slow as it was before the fault, and no slower; with stand-ins it may not', () => {
    /** Nothing succeeds for `forMs`, ending 1 s before the fault. */
    const slow = (record: DrillRecord, forMs: number): void => {
      record.requests = record.requests.filter(({ startMs }) => startMs < 99_000 - forMs || startMs > 99_000);
    };
    const outages = (result: DrillResult) => result.reasons.filter((reason) => reason.startsWith('the outage'));
    const standIn = resultOf('apiserver-crash', (record) => slow(record, 200));
    expect(standIn).toMatchObject({ outageMs: 310, outageBoundMs: 150, quiet: { gapMs: 205 }, rigAllowanceMs: 0 });
    expect(outages(standIn)).toEqual(['the outage lasted 310 ms; at most 150 ms were allowed']);
    const real = (forMs: number) => resultOf('apiserver-crash', (record) => (slow(record, forMs), (record.fleet = quietFleet())));
    expect(real(200)).toMatchObject({ outageMs: 310, outageBoundMs: 150, quiet: { gapMs: 205 }, rigAllowanceMs: 205 });
    expect(outages(real(200))).toEqual([]);
    expect(outages(real(100))).toEqual([
      'the outage lasted 310 ms; at most 150 ms and the 105 ms that the rig took without a fault were allowed',
    ]);
    expect(real(300)).toMatchObject({
      verdict: 'void',
      reasons: ['no request succeeded for 305 ms before the fault; beyond 250 ms nothing can be judged'],
    });
  });

  test('instruments that stood still make a drill void, unless two hosts at once were proven all the same', () => {
    const late = resultOf('owner-crash', (record) => Object.assign(record, { probeLagMs: 250.1 }));
    expect(late).toMatchObject({
      verdict: 'void',
      reasons: ['the probe sent a request 250.1 ms late; beyond 250 ms nothing can be judged'],
    });
    const stalled = (record: DrillRecord): void => {
      const { watch } = record;
      watch.askedMs = watch.askedMs.map((timeMs, round) => timeMs + (round > 3000 ? 300 : 0));
    };
    const reasons = ['the hosts were not watched for 301 ms; beyond 250 ms nothing can be judged'];
    expect(resultOf('owner-crash', stalled)).toMatchObject({ verdict: 'void', reasons });
    const both = resultOf('owner-crash', (record) => {
      stalled(record);
      record.watch.answers.push({ round: 7000, host: 'cp3', asked: 'cp3', how: 'tcp', heardMs: 105_300.1 });
    });
    expect(both.verdict).toBe('fail');
  });
});
