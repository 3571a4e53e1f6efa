import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOLDER_RULE, holdersOf, lastSeen } from '../../../src/core/drill/holders.ts';
import type { Sighting } from '../../../src/core/drill/record.ts';

/** Sightings of one host every `everyMs` from `from` up to `to`. */
function seen(host: string, range: { from: number; to: number; everyMs?: number }): Sighting[] {
  const sightings: Sighting[] = [];
  for (let timeMs = range.from; timeMs <= range.to; timeMs += range.everyMs ?? 5) sightings.push({ timeMs, host, how: 'arp' });
  return sightings;
}

/** Consecutive turns with lengths in milliseconds and a pause before each, as a lease gives them. */
const turns = fc.array(
  fc.record({
    host: fc.constantFrom('cp1', 'cp2', 'cp3'),
    pauseMs: fc.integer({ min: 1, max: 400 }),
    lengthMs: fc.integer({ min: 60, max: 900 }),
  }),
  { minLength: 1, maxLength: 8 },
);

function sightingsOf(history: { host: string; pauseMs: number; lengthMs: number }[]): Sighting[] {
  let timeMs = 1000;
  return history.flatMap(({ host, pauseMs, lengthMs }) => {
    const from = timeMs + pauseMs;
    timeMs = from + lengthMs;
    return seen(host, { from, to: timeMs });
  });
}

describe('who held the address', () => {
  test('nobody was seen: 0 at once', () => {
    expect(holdersOf([])).toEqual({ intervals: [], maxSimultaneous: 0, overlapMs: 0 });
  });

  test('turns that follow one another never count as two at once', () => {
    fc.assert(
      fc.property(turns, (history) => {
        const { maxSimultaneous, overlapMs } = holdersOf(sightingsOf(history));
        expect({ maxSimultaneous, overlapMs }).toEqual({ maxSimultaneous: 1, overlapMs: 0 });
      }),
    );
  });

  test('one sighting of another host anywhere inside a turn is two at once, whatever the pauses of the probe', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 2, maxLength: 60 }), fc.nat(), (pauses, where) => {
        let timeMs = 0;
        const own = pauses.map((pauseMs): Sighting => ({ timeMs: (timeMs += pauseMs), host: 'cp1', how: 'arp' }));
        const index = where % (own.length - 1);
        const [left, right] = [own[index], own[index + 1]] as [Sighting, Sighting];
        const intruder: Sighting = { timeMs: (left.timeMs + right.timeMs) / 2, host: 'cp2', how: 'tcp' };
        expect(holdersOf([...own, intruder]).maxSimultaneous).toBe(2);
      }),
    );
  });

  test('interleaved sightings are two at once for as long as they interleave', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 500 }), fc.double({ min: 0.5, max: 4.5, noNaN: true }), (lengthMs, shiftMs) => {
        const first = seen('cp1', { from: 0, to: 1000 });
        const second = seen('cp2', { from: 1000 - lengthMs + shiftMs, to: 2000 });
        const { maxSimultaneous, overlapMs } = holdersOf([...first, ...second]);
        expect(maxSimultaneous).toBe(2);
        expect(overlapMs).toBeCloseTo(lengthMs - shiftMs);
      }),
    );
  });

  test('three at once', () => {
    const all = ['cp1', 'cp2', 'cp3'].flatMap((host, i) => seen(host, { from: i, to: 500 + i }));
    expect(holdersOf(all).maxSimultaneous).toBe(3);
  });

  test('a host that answers only the SYN aimed at it overlaps one that answers everything', () => {
    const owner = seen('cp1', { from: 0, to: 3000, everyMs: 3.3 });
    const stray = seen('cp2', { from: 1001, to: 1500, everyMs: 10 });
    const { maxSimultaneous, overlapMs } = holdersOf([...owner, ...stray]);
    expect(maxSimultaneous).toBe(2);
    expect(overlapMs).toBe(490);
  });

  test('a sighting at the very moment of the hand-over is none', () => {
    const { maxSimultaneous } = holdersOf([...seen('cp1', { from: 0, to: 100 }), ...seen('cp2', { from: 100, to: 200 })]);
    expect(maxSimultaneous).toBe(1);
  });

  test('a host that goes and comes back has two intervals, with or without a turn of another in between', () => {
    const gone = [...seen('cp1', { from: 0, to: 100 }), ...seen('cp1', { from: 101 + HOLDER_RULE.silenceMs, to: 300 })];
    expect(holdersOf(gone).intervals.map(({ host }) => host)).toEqual(['cp1', 'cp1']);
    const replaced = [...seen('cp1', { from: 0, to: 100 }), ...seen('cp2', { from: 105, to: 300 }), ...seen('cp1', { from: 305, to: 400 })];
    expect(holdersOf(replaced).intervals).toEqual([
      { host: 'cp1', startMs: 0, endMs: 100 },
      { host: 'cp2', startMs: 105, endMs: 300 },
      { host: 'cp1', startMs: 305, endMs: 400 },
    ]);
  });

  test('lastSeen looks only into its window', () => {
    const sightings = [...seen('cp1', { from: 0, to: 100 }), ...seen('cp2', { from: 200, to: 300 })];
    expect(lastSeen(sightings, { untilMs: 150 })).toBe('cp1');
    expect(lastSeen(sightings, { sinceMs: 110, untilMs: 190 })).toBeNull();
    expect(lastSeen(sightings, { sinceMs: 110, untilMs: 1000 })).toBe('cp2');
  });
});
