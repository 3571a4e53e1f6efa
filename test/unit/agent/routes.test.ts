import { describe, expect, test } from 'vitest';
import { RouteClaim } from '../../../src/agent/routes.ts';
import { Schedule } from '../../../src/sim/schedule.ts';

const DRAIN_MS = 5000;
const GOOD = { fitness: 'good', draining: false } as const;
const DRAINING = { fitness: 'good', draining: true } as const;
const POOR = { fitness: 'poor', draining: false } as const;

function claim() {
  const schedule = new Schedule();
  const told: string[] = [];
  const changes: string[] = [];
  const served: number[] = [];
  const made = new RouteClaim({
    self: 1,
    clock: { now: () => schedule.now, at: (time, callback) => schedule.plan(time, callback) },
    advertiser: { want: (wanted) => void told.push(wanted), problem: () => undefined, close: async () => void told.push('closed') },
    drainMs: DRAIN_MS,
    holdMs: 95_000,
    serveUntil: (untilMs) => void served.push(untilMs),
    status: () => ({ by: 'bgp', prefixes: ['10.0.0.100/32'], peers: [] }),
    onChange: ({ from, to }) => void changes.push(`${from} -> ${to}`),
  });
  return { schedule, told, changes, served, made };
}

describe('whether a host announces', () => {
  test('while it reaches a ready API server, and not before', () => {
    const { made, changes } = claim();
    expect([made.isHolding, made.holder(), made.whyNot()]).toEqual([false, undefined, 'this host reaches no ready API server']);
    made.update(GOOD);
    expect([made.isHolding, made.holder(), made.whyNot()]).toEqual([true, 1, undefined]);
    made.update(POOR);
    made.update(GOOD);
    expect(changes).toEqual(['withdrawn -> announced', 'announced -> withdrawn', 'withdrawn -> announced']);
  });

  test('drained: others are preferred for the drain time, then it withdraws', () => {
    const { made, changes, schedule } = claim();
    made.update(GOOD);
    made.update(DRAINING);
    schedule.runUntil(DRAIN_MS - 1);
    // It is looked at again and again meanwhile.
    made.update(DRAINING);
    expect([made.isHolding, made.routes.wanted]).toEqual([true, 'draining']);
    schedule.runUntil(DRAIN_MS);
    expect([made.isHolding, made.whyNot()]).toEqual([false, 'this host is drained; see: hale agent resume']);
    expect(changes).toEqual(['withdrawn -> announced', 'announced -> draining', 'draining -> withdrawn']);
  });

  test('resumed while it drains: it announces again, and the drain time does not run on', () => {
    const { made, schedule } = claim();
    made.update(GOOD);
    made.update(DRAINING);
    schedule.runUntil(DRAIN_MS - 1);
    made.update(GOOD);
    schedule.runUntil(10 * DRAIN_MS);
    expect(made.routes.wanted).toBe('announced');
    made.update(DRAINING);
    expect(made.routes.wanted).toBe('draining');
  });

  test('drained a second time: again for the whole drain time', () => {
    const { made, schedule } = claim();
    made.update(GOOD);
    made.update(DRAINING);
    schedule.runUntil(DRAIN_MS);
    made.update(GOOD);
    made.update(DRAINING);
    schedule.runUntil(2 * DRAIN_MS - 1);
    expect(made.routes.wanted).toBe('draining');
    schedule.runUntil(2 * DRAIN_MS);
    expect(made.routes.wanted).toBe('withdrawn');
  });

  test('one that announces nothing is drained at once', () => {
    const { made } = claim();
    made.update(POOR);
    made.update({ fitness: 'poor', draining: true });
    made.update(DRAINING);
    expect(made.routes.wanted).toBe('withdrawn');
  });

  test('while it announces it serves for as long as routers may send, and no longer is prolonged after it withdrew', () => {
    const { made, served, schedule } = claim();
    made.update(GOOD);
    schedule.runUntil(2000);
    made.update(GOOD);
    made.update(POOR);
    made.update(POOR);
    expect(served).toEqual([95_000, 97_000]);
  });

  test('stopped: it drains first, then the sessions end', async () => {
    const { made, told, schedule } = claim();
    made.update(GOOD);
    const stopped = made.stop();
    schedule.runUntil(DRAIN_MS + 10);
    await stopped;
    expect(told).toEqual(['announced', 'draining', 'withdrawn', 'closed']);
  });
});
