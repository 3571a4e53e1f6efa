import { describe, expect, test } from 'vitest';
import { healthProfiles } from '../../../src/core/balancer/timing.ts';
import { CLOSED, fateOf, HUNG_AFTER_MS, hungAfterMs, signsOfLife } from '../../../src/core/drill/fate.ts';
import { measure } from '../../../src/core/drill/measure.ts';
import type { ConnectionRecord, DrillRecord } from '../../../src/core/drill/record.ts';
import { ownerCrashRecord, quietFleet } from './synthetic.ts';

const FAULT_MS = 1000;

describe('fate of a long-lived connection', () => {
  const base: ConnectionRecord = { openedMs: 0, lastAnswerMs: 9000, longestWaitMs: 3 };
  const cases: [string, Partial<ConnectionRecord>, string | undefined][] = [
    ['answered after the fault', {}, 'kept'],
    ['closed while it waited', { waitingSinceMs: 1100, resetMs: 1300 }, 'reset'],
    ['closed while idle', { resetMs: 1300 }, 'reset'],
    ['reset, but only after the client had waited too long', { waitingSinceMs: 1100, resetMs: 6200 }, 'hung'],
    ['still waiting at the end', { waitingSinceMs: 8000 }, 'hung'],
    ['answered, but after more than 5 s', { longestWaitMs: 5001 }, 'hung'],
    ['never asked since the fault, so nothing shows that it lives', { lastAnswerMs: 900 }, 'hung'],
    ['lost before the fault', { resetMs: 900 }, undefined],
    ['idle, and answered when it was asked at the end', { idle: true }, 'kept'],
    ['idle, and told', { idle: true, lastAnswerMs: 500, resetMs: 1300 }, 'reset'],
    ['idle, and told too late', { idle: true, lastAnswerMs: 500, resetMs: 6001 }, 'hung'],
    ['idle, and refused only when it was asked at the end', { idle: true, lastAnswerMs: 500, waitingSinceMs: 5000, resetMs: 5001 }, 'hung'],
    ['idle, and without an answer at the end', { idle: true, lastAnswerMs: 500, waitingSinceMs: 9000 }, 'hung'],
  ];
  test.each(cases)('%s', (_name, facts, fate) => {
    expect(fateOf({ ...base, ...facts }, { faultMs: FAULT_MS, hungAfterMs: HUNG_AFTER_MS, signsMs: [] })).toBe(fate);
  });
});

test('clients of an API server that hangs may wait until it is given up', () => {
  expect([hungAfterMs('apiserver-hang', healthProfiles.default), hungAfterMs('apiserver-hang', healthProfiles.calm)]).toEqual([
    9750, 19_750,
  ]);
  expect(hungAfterMs('crash', healthProfiles.calm)).toBe(HUNG_AFTER_MS);
  const later: ConnectionRecord = { openedMs: 0, lastAnswerMs: 900, longestWaitMs: 3, waitingSinceMs: 1100, resetMs: 10_000 };
  expect(fateOf(later, { faultMs: FAULT_MS, hungAfterMs: 9750, signsMs: [] })).toBe('reset');
});

describe('an idle connection to an API server that ends in order', () => {
  /** cp1 serves on until 16 s after the fault, over the watch and the active connection of before, and then closes what is left. */
  function draining(change: (record: DrillRecord) => void = () => {}): DrillRecord {
    const record = { ...ownerCrashRecord(), fleet: quietFleet() };
    const base = { openedMs: 0, longestWaitMs: 3, server: 'cp1' };
    record.connections = [
      { ...base, lastAnswerMs: 115_000, resetMs: 115_900, error: 'status 429' },
      { ...base, idle: true, lastAnswerMs: 90_000, resetMs: 117_000, error: CLOSED },
    ];
    Object.assign(record.fleet.watchers[0]?.gaps[0] as object, { server: 'cp1', heardMs: 116_000, lostMs: 116_100 });
    change(record);
    return record;
  }
  const idle = (record: DrillRecord) => measure(record).connections.struck.idle;
  const NONE = { kept: 0, reset: 0, hung: 0 };

  test('did not hang: its API server served others until shortly before', () => {
    expect(idle(draining())).toEqual({ ...NONE, reset: 1 });
    expect(new Set(signsOfLife(draining(), 100_000).get('cp1'))).toEqual(new Set([115_000, 115_900, 116_000, 90_000, 99_910]));
  });

  test('hung when it was told long after the last sign of life, or that came from another API server', () => {
    const told = (resetMs: number) => draining(({ connections }) => Object.assign(connections[1] as ConnectionRecord, { resetMs }));
    expect(idle(told(121_000))).toEqual({ ...NONE, reset: 1 });
    expect(idle(told(121_001))).toEqual({ ...NONE, hung: 1 });
    const elsewhere = draining(({ connections, fleet }) => {
      (connections[0] as ConnectionRecord).server = 'cp2';
      for (const { gaps } of fleet?.watchers ?? []) for (const gap of gaps) gap.server = 'cp2';
    });
    expect(idle(elsewhere)).toEqual({ ...NONE, hung: 1 });
  });

  test('hung when its API server was silent for long before, though it spoke again afterwards', () => {
    const silent = draining(({ connections, fleet }) => {
      Object.assign(connections[1] as ConnectionRecord, { resetMs: 106_000 });
      for (const { gaps } of fleet?.watchers ?? []) gaps.pop();
    });
    expect(idle(silent)).toEqual({ ...NONE, hung: 1 });
  });

  test('hung when it was not closed in order: whoever cut it off could have done so earlier', () => {
    const cut = draining(({ connections }) => Object.assign(connections[1] as ConnectionRecord, { error: 'ECONNRESET' }));
    expect(idle(cut)).toEqual({ ...NONE, hung: 1 });
  });
});
