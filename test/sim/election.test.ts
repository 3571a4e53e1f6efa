import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRandom } from '../../src/base/random.ts';
import type { ElectionTiming } from '../../src/core/election/timing.ts';
import { DRIFT_BOUND } from '../../src/core/lease/timing.ts';
import { SimulatedCandidate, SimulatedRecord } from '../../src/sim/election.ts';
import { Schedule } from '../../src/sim/schedule.ts';

const DISTURBANCES = ['freeze', 'slow', 'isolate', 'drain', 'look'] as const;

interface World {
  timing: ElectionTiming;
  timeoutMs: number;
  rates: number[];
  seed: number;
  disturbances: { atMs: number; kind: (typeof DISTURBANCES)[number]; who: number; ms: number }[];
}

const TROUBLE_MS = 120_000;

/** client-go's own defaults, kube-vip's fast ones, and a duration that hardly exceeds the deadline. */
const timings: ElectionTiming[] = [
  { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 },
  { durationMs: 5000, renewDeadlineMs: 3000, retryMs: 1000 },
  { durationMs: 3000, renewDeadlineMs: 2000, retryMs: 1000 },
  { durationMs: 20_000, renewDeadlineMs: 19_990, retryMs: 1000 },
];

const worlds: fc.Arbitrary<World> = fc.record({
  timing: fc.constantFrom(...timings),
  timeoutMs: fc.integer({ min: 200, max: 2500 }),
  rates: fc.array(
    fc.oneof(fc.constantFrom(1 - DRIFT_BOUND, 1 + DRIFT_BOUND), fc.double({ min: 1 - DRIFT_BOUND, max: 1 + DRIFT_BOUND, noNaN: true })),
    { minLength: 2, maxLength: 5 },
  ),
  seed: fc.nat(),
  disturbances: fc.array(
    fc.record({
      atMs: fc.integer({ min: 0, max: TROUBLE_MS }),
      kind: fc.constantFrom(...DISTURBANCES),
      who: fc.nat({ max: 4 }),
      ms: fc.integer({ min: 1, max: 40_000 }),
    }),
    { maxLength: 25 },
  ),
});

/** Runs a world to its end; the greatest number of owners at once, and how many there are after a calm time. */
async function live({
  timing,
  timeoutMs,
  rates,
  seed,
  disturbances,
}: World): Promise<{ most: number; atLast: number; owners: Set<number> }> {
  const schedule = new Schedule();
  const record = new SimulatedRecord();
  const random = createRandom(seed);
  const candidates = rates.map(
    (rate, i) => new SimulatedCandidate({ name: `cp${i + 1}`, timing, seed: seed + i, schedule, random, record, rate, timeoutMs }),
  );
  for (const { atMs, kind, who, ms } of disturbances) {
    const target = candidates[who % candidates.length] as SimulatedCandidate;
    schedule.plan(atMs, () => {
      if (kind === 'look') return target.engine.look();
      if (kind !== 'drain') return target[kind](ms);
      target.engine.compete({ now: false });
      schedule.plan(schedule.now + ms, () => target.engine.compete({ now: true }));
    });
  }
  const calmMs = TROUBLE_MS + 40_000 + timing.durationMs + 4.4 * timing.retryMs + 10 * timeoutMs;
  let most = 0;
  const owners = new Set<number>();
  const count = () => candidates.filter(({ engine }, i) => engine.owns && owners.add(i)).length;
  while (schedule.nextAt < 2 * calmMs) {
    schedule.runUntil(schedule.nextAt);
    // What an answer brings about happens in promises.
    await new Promise(setImmediate);
    most = Math.max(most, count());
  }
  const atLast = count();
  for (const { engine } of candidates) engine.stop();
  return { most, atLast, owners };
}

test('several candidates over one record: never two that believe they own it, and somebody does after a calm time', async () => {
  await fc.assert(
    fc.asyncProperty(worlds, async (world) => {
      const { most, atLast } = await live(world);
      expect({ most, atLast }).toEqual({ most: 1, atLast: 1 });
    }),
    { numRuns: 60 },
  );
});

test('the owner is taken over from when it freezes, and the record moves on when it drains', async () => {
  const calm = { timing: timings[0] as ElectionTiming, timeoutMs: 1000, rates: [1, 1, 1], seed: 3 };
  const undisturbed = await live({ ...calm, disturbances: [] });
  expect([...undisturbed.owners]).toHaveLength(1);
  const [first] = undisturbed.owners as Iterable<number>;
  for (const kind of ['freeze', 'isolate', 'drain'] as const) {
    const { owners } = await live({ ...calm, disturbances: [{ atMs: 20_000, kind, who: first as number, ms: 40_000 }] });
    expect(owners.size).toBeGreaterThan(1);
  }
});
