import { beforeEach, describe, expect, test } from 'vitest';
import type { Flow } from '../../../src/core/balancer/flow.ts';
import type { BackendState } from '../../../src/core/balancer/health.ts';
import { assignSlots, slotOf } from '../../../src/core/balancer/slots.ts';
import { type Masks, SETTLE_MS } from '../../../src/core/balancer/steering.ts';
import { SteeringEngine } from '../../../src/engine/steering.ts';
import { done } from '../../../src/ports/effect.ts';
import type { SteeringException, SteeringTable } from '../../../src/ports/steering.ts';
import { Schedule } from '../../../src/sim/schedule.ts';

/** What a kernel would hold, and where it would send a packet of a connection under way. */
class Table implements SteeringTable {
  masks: Masks = { opening: 0, established: 0 };
  exceptions: ReadonlyMap<string, SteeringException> = new Map();
  stations: readonly (string | undefined)[] = [];
  /** After each change of the kernel, as packets come at any time. */
  onChange: () => void = () => {};
  steer(masks: Masks) {
    this.masks = masks;
    this.onChange();
    return done;
  }
  setStations(macs: readonly (string | undefined)[]) {
    this.stations = macs;
    return done;
  }
  except(exceptions: ReadonlyMap<string, SteeringException>) {
    this.exceptions = new Map(exceptions);
    this.onChange();
    return done;
  }
  reconcile() {
    return [];
  }
  backendOf(flow: Flow, mask: keyof Masks = 'established'): number | undefined {
    const exception = this.exceptions.get(`${flow.address} ${flow.port}`);
    return exception?.backend ?? assignSlots(3, this.masks[mask])[slotOf(flow, 3)];
  }
}

describe('the steering engine', () => {
  let schedule: Schedule;
  let table: Table;
  let told: Masks[];
  let flows: Flow[][];
  let engine: SteeringEngine;

  beforeEach(() => {
    schedule = new Schedule();
    table = new Table();
    told = [];
    flows = [[], [], []];
    engine = new SteeringEngine({
      backends: 3,
      clock: { now: () => schedule.now, at: (time, run) => schedule.plan(time, run) },
      table,
      flowsOf: (backend) => flows[backend] as Flow[],
      tell: () => told.push(engine.masks),
      onFailure: (reason) => expect.fail(reason),
    });
  });

  const plan = (states: BackendState[], serves = [true, true, true]) => ({
    self: 0,
    frontends: [],
    backends: states.map((state, i) => ({
      name: `cp${i}`,
      address: `10.0.0.${i}`,
      port: 6443,
      state,
      mac: `02:00:00:00:00:0${i}`,
      serves: serves[i] as boolean,
    })),
  });
  const ready: BackendState[] = ['ready', 'ready', 'ready'];
  const flowTo = (backend: number, mask: number): Flow => {
    for (let port = 1024; ; port++) {
      const flow = { address: '10.0.0.200', port };
      if (assignSlots(3, mask)[slotOf(flow, 3)] === backend && !flows.flat().some((known) => known.port === port)) return flow;
    }
  };

  test('writes nothing of its own while another host holds the address, but what that host says', () => {
    engine.apply(plan(ready));
    expect(table.masks).toEqual({ opening: 0, established: 0 });
    engine.follow({ opening: 7, established: 3 });
    expect(table.masks).toEqual({ opening: 7, established: 3 });
    expect(told).toEqual([]);
  });

  test('steers by its own view as soon as it holds, from where the last holder was, and says so', () => {
    engine.follow({ opening: 7, established: 7 });
    engine.apply(plan(['ready', 'dead', 'ready']));
    engine.setHolding({ now: true });
    expect(table.masks).toEqual({ opening: 5, established: 5 });
    expect(told.at(-1)).toEqual({ opening: 5, established: 5 });
  });

  test('a host that does not serve, or whose MAC is unknown, gets nothing', () => {
    engine.setHolding({ now: true });
    engine.apply(plan(ready, [true, false, true]));
    expect(table.masks.opening).toBe(5);
    const withoutMac = plan(ready);
    engine.apply({
      ...withoutMac,
      backends: withoutMac.backends.map((backend, i) => (i === 2 ? { ...backend, mac: undefined } : backend)),
    });
    expect(table.masks.opening & 4).toBe(0);
  });

  test('no connection of another moves when a backend returns, however it was steered', () => {
    engine.setHolding({ now: true });
    engine.apply(plan(['ready', 'ready', 'dead']));
    for (let i = 0; i < 40; i++) {
      const backend = i % 2;
      const flow = flowTo(backend, 3);
      flows[backend]?.push(flow);
      engine.flowsChanged(backend, { added: [flow], removed: [] });
    }
    expect(table.exceptions.size).toBe(0);
    engine.apply(plan(ready));
    expect(table.masks).toEqual({ opening: 7, established: 3 });
    const late = flowTo(1, 3);
    flows[1]?.push(late);
    engine.flowsChanged(1, { added: [late], removed: [] });
    schedule.runUntil(SETTLE_MS);
    expect(table.masks).toEqual({ opening: 7, established: 7 });
    for (const backend of [0, 1]) for (const flow of flows[backend] as Flow[]) expect(table.backendOf(flow)).toBe(backend);
    expect(table.exceptions.size).toBeGreaterThan(0);
  });

  test('between any two changes of the kernel, too, no connection is led elsewhere: when backends leave and come, and come in another order', () => {
    engine.setHolding({ now: true });
    engine.apply(plan(ready));
    for (let i = 0; i < 60; i++) {
      const flow = flowTo(i % 3, 7);
      flows[i % 3]?.push(flow);
      engine.flowsChanged(i % 3, { added: [flow], removed: [] });
    }
    table.onChange = () => {
      for (const [backend, all] of flows.entries()) for (const flow of all) expect(table.backendOf(flow)).toBe(backend);
    };
    for (const states of [
      ['draining', 'ready', 'ready'],
      ['draining', 'draining', 'ready'],
      ['draining', 'draining', 'draining'],
      ['ready', 'draining', 'draining'],
      ['ready', 'ready', 'ready'],
    ] as BackendState[][]) {
      engine.apply(plan(states));
      schedule.runUntil(schedule.now + 2 * SETTLE_MS + 1);
    }
    expect(table.masks).toEqual({ opening: 7, established: 7 });
    expect(table.exceptions.size).toBe(0);
  });

  test('an exception ends with its connection, and with its backend', () => {
    engine.setHolding({ now: true });
    engine.apply(plan(ready));
    const [one, other] = [flowTo(0, 7), flowTo(1, 7)];
    flows[2] = [one, other];
    engine.flowsChanged(2, { added: [one, other], removed: [] });
    expect(table.exceptions.size).toBe(2);
    flows[2] = [other];
    engine.flowsChanged(2, { added: [], removed: [one] });
    expect([...table.exceptions.values()]).toEqual([{ flow: other, backend: 2 }]);
    engine.apply(plan(['ready', 'ready', 'dead']));
    expect(table.exceptions.size).toBe(0);
  });
});
