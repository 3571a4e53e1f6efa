import { describe, expect, test } from 'vitest';
import { type ClientRecord, crashOutcome, decisionMs, killOutcome } from '../../../bench/loss/records.ts';

describe('clients of a host that crashed', () => {
  const clients: ClientRecord[] = [
    { kind: 'active', server: 'cp1', endedMs: 1120, kept: false },
    { kind: 'idle', server: 'cp1', endedMs: 1300, kept: false },
    { kind: 'idle', server: 'cp1', kept: false },
    { kind: 'active', server: 'cp2', kept: true },
    { kind: 'idle', server: 'cp3', kept: true },
    { kind: 'active', server: 'cp3', endedMs: 1080, kept: false },
  ];
  const outcome = crashOutcome(clients, { dead: 'cp1', sinceMs: 1100 });

  test('those of living backends are counted apart from those of the dead one', () => {
    expect(outcome).toMatchObject({ survivors: 3, kept: 2 });
  });

  test('who was told is reset, who was not is hung', () => {
    expect(outcome).toMatchObject({ reset: 3, hungActive: 0, hungIdle: 1 });
  });

  test('the time until they were told counts from the decision, active and idle ones apart', () => {
    expect(outcome).toMatchObject({ activeMs: [20, -20], idleMs: [200] });
  });
});

describe('new connections when an API server was killed', () => {
  const connects = (outcomes: string) => [...outcomes].map((outcome, i) => ({ startMs: 1000 + i, endMs: 1000.5 + i, ok: outcome === '.' }));

  test('go elsewhere from the first one on after which none fails', () => {
    expect(killOutcome(connects('....x.x..'), 1003)).toEqual({ elsewhereMs: 4, failed: 2, failedBefore: 0, gapMs: 1 });
  });

  test('the order in which they ended does not matter', () => {
    expect(killOutcome(connects('....x.x..').toReversed(), 1003)).toMatchObject({ elsewhereMs: 4, gapMs: 1 });
  });

  test('none failed: at once; failed to the end, or nothing known: never', () => {
    expect(killOutcome(connects('......'), 1003)).toMatchObject({ elsewhereMs: 0, failed: 0 });
    expect(killOutcome(connects('....xx'), 1003)).toMatchObject({ elsewhereMs: null, failed: 2 });
    expect(killOutcome([], 1003)).toMatchObject({ elsewhereMs: null, gapMs: 0 });
  });

  test('failures before the fault are told, and do not count', () => {
    expect(killOutcome(connects('.xx...'), 1003)).toMatchObject({ elsewhereMs: 0, failed: 0, failedBefore: 2 });
  });

  test('one that was under way when the fault came failed because of it', () => {
    const early = [
      { startMs: 990, endMs: 1002, ok: false },
      { startMs: 998, endMs: 1004, ok: false },
    ];
    const outcome = killOutcome([...early, ...connects('.....')], 1003);
    expect(outcome).toMatchObject({ elsewhereMs: 0, failed: 1, failedBefore: 1 });
  });
});

describe('the decision in the log of an agent', () => {
  const line = (time: string, facts: object) =>
    JSON.stringify({ level: 'info', time, msg: 'backend changed', backend: 'cp1', state: 'dead', ...facts });
  const options = { backend: 'cp1', faultMs: 5000, offsetMs: Date.parse('2026-01-01T00:00:00.000Z') };

  test('is the first line after the fault that calls the backend dead', () => {
    const log = [
      line('2026-01-01T00:00:04.000Z', {}),
      line('2026-01-01T00:00:05.100Z', { state: 'draining' }),
      line('2026-01-01T00:00:05.200Z', { backend: 'cp2' }),
      line('2026-01-01T00:00:05.300Z', { msg: 'something else' }),
      'Warning: no line of the agent',
      line('2026-01-01T00:00:05.400Z', {}),
      line('2026-01-01T00:00:06.000Z', {}),
      '',
    ];
    expect(decisionMs(log.join('\n'), options)).toBe(5400);
  });

  test('may be missing', () => {
    expect(decisionMs('', options)).toBeUndefined();
  });
});
