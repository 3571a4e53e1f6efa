import { describe, expect, test } from 'vitest';
import type { BackendState, ProbeResult } from '../../../src/core/balancer/health.ts';
import { healthProfiles } from '../../../src/core/balancer/timing.ts';
import { HealthEngine } from '../../../src/engine/health.ts';
import { Schedule } from '../../../src/sim/schedule.ts';

const timing = healthProfiles.default;
const REFUSED: ProbeResult = { outcome: 'refused', reason: 'connection refused' };

/** One backend whose answers take 1 ms of simulated time. */
class World {
  readonly schedule = new Schedule();
  readonly probedAt: number[] = [];
  readonly changes: { at: number; state: BackendState }[] = [];
  readonly engine: HealthEngine;
  answer: ProbeResult = { outcome: 'ready' };
  reachable = true;
  disconnect = (): void => undefined;

  constructor() {
    const { schedule } = this;
    const later = <T>(value: () => T): Promise<T> => new Promise((resolve) => schedule.plan(schedule.now + 1, () => resolve(value())));
    this.engine = new HealthEngine({
      targets: [{ name: 'cp1', address: '10.0.0.11', port: 6443 }],
      timing,
      clock: { now: () => schedule.now, at: (time, run) => schedule.plan(time, run) },
      probe: {
        probe: () => {
          this.probedAt.push(schedule.now);
          return later(() => this.answer);
        },
        reaches: () => later(() => this.reachable),
        onDisconnect: (handler) => (this.disconnect = () => handler('cp1')),
        close: () => undefined,
      },
      onChange: (_, { state }) => this.changes.push({ at: schedule.now, state }),
    });
  }

  async runFor(ms: number): Promise<void> {
    const end = this.schedule.now + ms;
    while (this.schedule.now < end) {
      this.schedule.runUntil(this.schedule.now + 1);
      // What awaits an answer goes on after it.
      await Promise.resolve().then(() => undefined);
    }
  }
}

describe('health of a backend in time', () => {
  test('a connection that its side closes is looked into at once, and a refusal then is enough', async () => {
    const world = new World();
    await world.runFor(100);
    world.answer = REFUSED;
    world.disconnect();
    await world.runFor(10);
    expect(world.changes.map(({ state }) => state)).toEqual(['ready', 'dead']);
    expect(world.changes[1]?.at).toBeLessThan(110);
  });

  test('a server that does not answer on a host that is silent is given up like one that cannot be reached', async () => {
    const diesAt = async (isSilent: boolean, again = false) => {
      const world = new World();
      await world.runFor(100);
      await Promise.all([world.engine.suspect('cp1', () => isSilent), world.runFor(5)]);
      if (again) await world.runFor(timing.intervalMs);
      world.answer = { outcome: 'silent', reason: 'no answer' };
      await world.runFor(12_000);
      return world.changes.find(({ state }) => state === 'dead')?.at ?? Number.POSITIVE_INFINITY;
    };
    const [slow, gone, answered] = [await diesAt(false), await diesAt(true), await diesAt(true, true)];
    expect(answered).toBeGreaterThan(timing.hungMs);
    expect(gone).toBeLessThanOrEqual(100 + timing.fall * timing.intervalMs + 10);
    expect(slow).toBeGreaterThan(timing.hungMs);
  });

  test('a server that dies while it is asked resets the connection, and is asked again soon', async () => {
    const world = new World();
    await world.runFor(100);
    world.answer = { outcome: 'reset', reason: 'the connection was reset' };
    world.disconnect();
    await world.runFor(5);
    expect(world.engine.of('cp1').state).toBe('ready');
    world.answer = REFUSED;
    await world.runFor(30);
    expect(world.engine.of('cp1').state).toBe('dead');
    const asked = world.probedAt.length;
    world.answer = { outcome: 'reset', reason: 'the connection was reset' };
    await world.runFor(4 * timing.intervalMs);
    // Dead, it is asked in turn only.
    expect(world.probedAt.length - asked).toBeLessThanOrEqual(5);
  });

  test('a server that closes every connection is not asked in a circle', async () => {
    const world = new World();
    for (let i = 0; i < 1000; i++) {
      world.disconnect();
      await world.runFor(1);
    }
    // One in turn and one hinted at for each interval.
    expect(world.probedAt.length).toBeLessThanOrEqual(2 * (1000 / timing.intervalMs) + 1);
  });

  test('a silent host that is not reached is dead, unless it is not silent after all', async () => {
    const world = new World();
    await world.runFor(100);
    world.reachable = false;
    const untrue = world.engine.suspect('cp1', () => false);
    await world.runFor(10);
    expect([await untrue, world.engine.of('cp1').state]).toEqual(['untrue', 'ready']);
    const looked = world.engine.suspect('cp1', () => true);
    await world.runFor(10);
    expect([await looked, world.engine.of('cp1').state]).toEqual(['looked', 'dead']);
  });

  test('a silent host whose kernel answers lives', async () => {
    const world = new World();
    await world.runFor(100);
    const looked = world.engine.suspect('cp1', () => true);
    await world.runFor(10);
    expect([await looked, world.engine.of('cp1').state]).toEqual(['looked', 'ready']);
  });
});
