import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BfdTimers } from '../../src/core/bfd/variables.ts';
import { DRIFT_BOUND } from '../../src/core/lease/timing.ts';
import { type BfdHost, BfdWorld, type BfdWorldOptions } from '../../src/sim/bfd/world.ts';
import { GOOD_QUALITY } from '../../src/sim/scenario.ts';

/** A calm session comes up within two slow packets of each side. */
const SETTLED_MS = 5000;
const STEADY = { lossProbability: 0, duplicateProbability: 0, delayMinMs: 0.5, delayMaxMs: 0.5 };

const timers: fc.Arbitrary<BfdTimers> = fc.record({
  transmitMs: fc.integer({ min: 10, max: 400 }),
  receiveMs: fc.integer({ min: 10, max: 400 }),
  multiplier: fc.integer({ min: 3, max: 10 }),
});
const rates = fc.constantFrom(1 - DRIFT_BOUND, 1, 1 + DRIFT_BOUND);
const hosts = fc.tuple(fc.record({ timers, rate: rates }), fc.record({ timers, rate: rates }));
const seeds = fc.nat();

const downs = (host: BfdHost) => host.changes.filter(({ state }) => state === 'Down');

/** After a calm while, with both Up for good. */
function settled(options: Omit<BfdWorldOptions, 'quality'>, quality = GOOD_QUALITY): BfdWorld {
  const world = new BfdWorld({ ...options, quality });
  world.run(SETTLED_MS);
  expect(world.bothUp).toBe(true);
  for (const host of world.hosts) host.changes.length = 0;
  return world;
}

describe('two hosts of hale', () => {
  test('on a good link both come up, agree on how fast it goes, and stay up', () => {
    fc.assert(
      fc.property(hosts, seeds, (pair, seed) => {
        const world = settled({ hosts: pair, seed });
        world.run(20_000);
        const [a, b] = world.hosts.map(({ status }) => status) as [BfdHost['status'], BfdHost['status']];
        expect([a.transmitIntervalMs, a.receiveIntervalMs]).toEqual([b.receiveIntervalMs, b.transmitIntervalMs]);
        expect(a.detectionTimeMs).toBe(pair[1].timers.multiplier * a.receiveIntervalMs);
        expect(world.hosts.flatMap(({ changes }) => changes)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test('a link that is cut takes both down within their Detection Times, and not before; mended, both come up again', () => {
    fc.assert(
      fc.property(hosts, seeds, (pair, seed) => {
        const world = settled({ hosts: pair, seed });
        const at = world.schedule.now;
        const times = world.hosts.map(({ status }) => status.detectionTimeMs as number);
        const intervals = world.hosts.map(({ status }) => status.receiveIntervalMs);
        world.network.cut(0, 1);
        world.network.cut(1, 0);
        world.run(Math.max(...times) * (1 + 2 * DRIFT_BOUND) + 2);
        for (const [i, host] of world.hosts.entries()) {
          expect(host.changes).toMatchObject([{ state: 'Down', diagnostic: 'Control Detection Time Expired' }]);
          const tookMs = (host.changes[0]?.at as number) - at;
          expect(tookMs).toBeLessThanOrEqual((times[i] as number) * (1 + 2 * DRIFT_BOUND) + 1);
          expect(tookMs).toBeGreaterThan((times[i] as number) * (1 - 2 * DRIFT_BOUND) - (intervals[i] as number) * (1 + DRIFT_BOUND) - 1);
        }
        world.network.repair(GOOD_QUALITY);
        world.run(SETTLED_MS);
        expect(world.bothUp).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test('a cut in one direction is seen by both: the deaf one by its Detection Time, the other because it is told', () => {
    fc.assert(
      fc.property(hosts, seeds, (pair, seed) => {
        const world = settled({ hosts: pair, seed });
        const [mute, deaf] = world.hosts;
        const patienceMs = (deaf.status.detectionTimeMs as number) * (1 + 2 * DRIFT_BOUND);
        world.network.cut(0, 1);
        world.run(patienceMs + 3);
        expect(deaf.changes).toMatchObject([{ state: 'Down', diagnostic: 'Control Detection Time Expired' }]);
        expect(mute.changes).toMatchObject([{ state: 'Down', diagnostic: 'Neighbor Signaled Session Down' }]);
        // The mute one hears Down and waits in Init: it does not come up, however long it takes.
        world.run(20_000);
        expect(world.hosts.some(({ changes }) => changes.some(({ state }) => state === 'Up'))).toBe(false);
      }),
      { numRuns: 100 },
    );
  });

  test('all packets but one of each multiplier lost: the session stays up, as long as clocks and delays are even', () => {
    fc.assert(
      fc.property(timers, timers, seeds, (one, other, seed) => {
        const multiplier = Math.min(one.multiplier, other.multiplier);
        const pair: BfdWorldOptions['hosts'] = [
          { timers: { ...one, multiplier }, rate: 1 },
          { timers: { ...other, multiplier }, rate: 1 },
        ];
        const world = settled({ hosts: pair, seed }, STEADY);
        world.lostInARow = multiplier - 1;
        world.run(20_000);
        expect(world.hosts.flatMap(downs)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test('one less, and clocks may drift and delays vary', () => {
    fc.assert(
      fc.property(hosts, seeds, (pair, seed) => {
        const world = settled({ hosts: pair, seed });
        world.lostInARow = Math.min(pair[0].timers.multiplier, pair[1].timers.multiplier) - 2;
        world.run(20_000);
        expect(world.hosts.flatMap(downs)).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test('a multiplier of 1 holds on a link that loses nothing and delays by less than a tenth', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const host = { timers: { transmitMs: 50, receiveMs: 50, multiplier: 1 }, rate: 1 };
        const world = settled({ hosts: [host, host], seed });
        world.run(20_000);
        expect(world.hosts.flatMap(downs)).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });

  test('timers change again and again on both sides while packets get lost: nobody goes down (RFC 5880 section 6.8.3)', () => {
    const turns = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 600 }), who: fc.constantFrom(0, 1), timers }), { maxLength: 40 });
    fc.assert(
      fc.property(hosts, turns, seeds, (pair, changes, seed) => {
        const world = settled({ hosts: pair, seed });
        world.lostInARow = 1;
        for (const { afterMs, who, timers: next } of changes) {
          world.run(afterMs);
          world.hosts[who].setTimers(next);
        }
        world.run(20_000);
        expect(world.hosts.flatMap(downs)).toEqual([]);
        // A link that loses every other packet may lose every Final; one that loses none lets each Poll Sequence end.
        world.lostInARow = 0;
        world.run(20_000);
        expect(world.hosts.flatMap(downs)).toEqual([]);
        const [a, b] = world.hosts;
        expect([a.status.transmitIntervalMs, a.status.receiveIntervalMs]).toEqual([
          b.status.receiveIntervalMs,
          b.status.transmitIntervalMs,
        ]);
      }),
      { numRuns: 200 },
    );
  });

  test('a host that was frozen for less than its peer waits takes nobody down: what came meanwhile is heard first', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 100 }), seeds, (fastMs, seed) => {
        const patient = { timers: { transmitMs: 1000, receiveMs: fastMs, multiplier: 3 }, rate: 1 };
        const fast = { timers: { transmitMs: fastMs, receiveMs: 1000, multiplier: 3 }, rate: 1 };
        const world = settled({ hosts: [patient, fast], seed });
        world.hosts[0].freeze(1500);
        world.run(10_000);
        expect(world.hosts.flatMap(({ changes }) => changes)).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test('after whatever trouble with loss, reordering, cuts and freezes, a link that is good again has both up, and for good', () => {
    const trouble = fc.array(
      fc.record({
        forMs: fc.integer({ min: 1, max: 3000 }),
        what: fc.constantFrom('cut one way', 'cut', 'lossy', 'reordering', 'freeze', 'admin down', 'timers'),
        who: fc.constantFrom(0 as const, 1 as const),
        timers,
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(hosts, trouble, seeds, (pair, troubles, seed) => {
        const world = new BfdWorld({ hosts: pair, quality: GOOD_QUALITY, seed });
        for (const { forMs, what, who, timers: next } of troubles) {
          const host = world.hosts[who];
          if (what.startsWith('cut')) world.network.cut(who, 1 - who);
          if (what === 'cut') world.network.cut(1 - who, who);
          if (what === 'lossy') world.network.setQuality({ ...GOOD_QUALITY, lossProbability: 0.6, duplicateProbability: 0.3 });
          if (what === 'reordering') world.network.setQuality({ ...GOOD_QUALITY, delayMaxMs: 300 });
          if (what === 'freeze') host.freeze(forMs);
          if (what === 'timers') host.setTimers(next);
          if (what === 'admin down') host.engine.setAdministratively(host.status, 'down');
          world.run(forMs);
          host.engine.setAdministratively(host.status, 'up');
          world.network.repair(GOOD_QUALITY);
        }
        // The longest Detection Time is 10 x 1 s; then both have forgotten whatever was left.
        world.run(10_000 + SETTLED_MS);
        expect(world.bothUp).toBe(true);
        for (const host of world.hosts) host.changes.length = 0;
        world.run(20_000);
        expect(world.hosts.flatMap(({ changes }) => changes)).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test('a host that stops is no failure for its peer, and has let go as soon as the peer knows', async () => {
    const host = { timers: { transmitMs: 50, receiveMs: 50, multiplier: 3 }, rate: 1 };
    const world = settled({ hosts: [host, host], seed: 1 });
    let stopped = false;
    const stopping = world.hosts[0].engine.stop().then(() => (stopped = true));
    world.run(5);
    await stopping;
    expect(stopped).toBe(true);
    expect(world.hosts[1].changes).toMatchObject([
      { state: 'Down', diagnostic: 'Neighbor Signaled Session Down', remoteState: 'AdminDown' },
    ]);
  });

  test('a host that stops while nobody hears it waits no longer than its peer would have', async () => {
    const quick = { timers: { transmitMs: 50, receiveMs: 1000, multiplier: 3 }, rate: 1 };
    const slow = { timers: { transmitMs: 1000, receiveMs: 50, multiplier: 10 }, rate: 1 };
    const world = settled({ hosts: [quick, slow], seed: 1 });
    world.network.cut(0, 1);
    world.network.cut(1, 0);
    const stopping = world.hosts[0].engine.stop();
    world.run(151);
    await stopping;
    expect(world.hosts[0].engine.status()).toEqual([]);
  });
});
