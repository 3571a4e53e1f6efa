import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../src/base/random.ts';
import { Lan, type LanHost } from './lan.ts';

const INTERVAL_MS = 1000;
const seeds = Array.from({ length: 40 }, (_, i) => i + 1);
/** Longer than any Active_Down_Interval, with a margin for clocks. */
const TAKEOVER_MS = 4100;

function startAll(lan: Lan): void {
  for (const host of lan.hosts) host.start();
}

const holderOf = (lan: Lan): LanHost => {
  expect(lan.holders).toHaveLength(1);
  return lan.holders[0] as LanHost;
};

describe('hosts on one link', () => {
  test('the highest priority holds; when it resigns, the next takes over within its skew time', () => {
    const lan = new Lan({ priorities: [100, 150, 200] });
    startAll(lan);
    lan.runUntil(5000);
    expect(holderOf(lan)).toBe(lan.hosts[2]);
    lan.hosts[2]?.engine.shutdown();
    // Until its successor is heard it serves on: for as long as an advertisement is under way both do.
    expect(lan.runUntil(5000 + 450)).toBe(2);
    expect(holderOf(lan)).toBe(lan.hosts[1]);
    expect(lan.hosts[1]?.engine.counters).toMatchObject({ activeTransitions: 1, priorityZeroReceived: 1 });
  });

  test.each(seeds)('seed %i: equal priorities that start together, with lost packets, end with one', (seed) => {
    const lan = new Lan({ priorities: [100, 100, 100], seed, loss: 0.3 });
    startAll(lan);
    lan.runUntil(30_000);
    lan.loss = 0;
    lan.runUntil(40_000);
    const holder = holderOf(lan);
    expect(lan.runUntil(60_000)).toBe(1);
    expect(holderOf(lan)).toBe(holder);
  });

  test.each(seeds)('seed %i: whoever is frozen, and for how long, never two hold, and soon one does', (seed) => {
    const random = createRandom(seed);
    const lan = new Lan({ priorities: [100, 150, 200], seed, config: { preempt: false } });
    lan.hosts[0]?.start();
    lan.runUntil(5000);
    startAll(lan);
    for (let turn = 0; turn < 15; turn++) {
      const frozen = random.chance(0.7) ? lan.holders : lan.hosts.filter(() => random.chance(0.5));
      for (const host of frozen) host.freeze(random.between(0, 6 * INTERVAL_MS));
      expect(lan.runUntil(lan.schedule.now + random.between(0, 8 * INTERVAL_MS))).toBeLessThanOrEqual(1);
    }
    expect(lan.runUntil(lan.schedule.now + 6000 + 2 * TAKEOVER_MS)).toBe(1);
    holderOf(lan);
    expect(lan.hosts.some(({ events }) => events.some((event) => event.kind === 'lost' && event.reason === 'late'))).toBe(true);
  });

  test('an Active whose packets do not go out ends before another begins', () => {
    const lan = new Lan({ priorities: [100, 200] });
    startAll(lan);
    lan.runUntil(5000);
    const cut = lan.hosts[1] as LanHost;
    cut.sending = { ok: false, reason: 'ENETDOWN' };
    expect(lan.runUntil(9500)).toBe(1);
    expect(holderOf(lan)).toBe(lan.hosts[0]);
    expect(cut.engine.lastError).toBe('ENETDOWN');
    expect(cut.engine.counters.advertisementsNotSent).toBeGreaterThan(1);
    expect(cut.events).toContainEqual({ kind: 'lost', reason: 'not-sent' });
  });

  test('a host whose kernel refuses leaves the address to the next', () => {
    const lan = new Lan({ priorities: [100, 200] });
    lan.hosts[1]?.kernel.faults.add('hold');
    startAll(lan);
    lan.runUntil(6000);
    expect(holderOf(lan)).toBe(lan.hosts[0]);
    expect(lan.hosts[1]?.events).toContainEqual({ kind: 'hold-failed', reason: 'open the gate: the kernel refuses' });
    expect(lan.hosts[1]?.events.map(({ kind }) => kind)).not.toContain('became-active');
  });
});
