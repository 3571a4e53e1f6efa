import { expect, test } from 'vitest';
import { type Flow, flowKey } from '../../../src/core/balancer/flow.ts';
import { decodeBalancerMessage } from '../../../src/core/balancer/wire.ts';
import { FlowEngine } from '../../../src/engine/flows.ts';
import { done, type Effect } from '../../../src/ports/effect.ts';
import { Schedule } from '../../../src/sim/schedule.ts';

const LATENCY_MS = 1;

/** Some hosts whose agents hear each other in simulated time. */
class World {
  readonly schedule = new Schedule();
  readonly clock = { now: () => this.schedule.now, at: (time: number, run: () => void) => this.schedule.plan(time, run) };
  readonly engines: FlowEngine[] = [];
  /** What each host's kernel would list now. */
  readonly flows: Flow[][];
  readonly warnings: string[] = [];
  /** What the changes that a host was told of add up to, by member. */
  readonly added: Map<string, Flow>[][];
  /** When each datagram was sent, and by whom. */
  readonly sent: { at: number; from: number; to: number }[] = [];
  readonly listedAt: number[] = [];
  loses: (from: number, to: number) => boolean = () => false;
  /** What a slice of a listing takes of host 0. */
  sliceMs = 0;
  refusal: Effect = done;
  reading = 0;

  constructor(members: number) {
    this.flows = Array.from({ length: members }, () => []);
    this.added = Array.from({ length: members }, () => Array.from({ length: members }, () => new Map()));
    for (let self = 0; self < members; self++) this.start(self);
  }

  start(self: number): void {
    this.added[self] = this.flows.map(() => new Map());
    const warn = (facts: object) => void this.warnings.push((facts as { reason: string }).reason);
    this.engines[self] = new FlowEngine({
      self,
      members: this.flows.length,
      clock: this.clock,
      source: { list: () => this.#list(self) },
      send: (to, payload) => this.#send(self, to, payload),
      onChange: (member, { added, removed }) => {
        const known = this.added[self]?.[member] as Map<string, Flow>;
        for (const flow of removed) expect(known.delete(flowKey(flow))).toBe(true);
        for (const flow of added) known.set(flowKey(flow), flow);
      },
      log: { debug() {}, info() {}, warn, error() {} },
    });
  }

  *#list(self: number): Generator<readonly Flow[], Effect, void> {
    if (self === 0) this.listedAt.push(this.schedule.now);
    this.reading++;
    try {
      const all = self === 0 && !this.refusal.ok ? [] : [...(this.flows[self] as Flow[])];
      for (let at = 0; at < all.length; at += 250) {
        if (self === 0) this.schedule.now += this.sliceMs;
        yield all.slice(at, at + 250);
      }
      return self === 0 ? this.refusal : done;
    } finally {
      this.reading--;
    }
  }

  #send(from: number, to: number, payload: Uint8Array): void {
    this.sent.push({ at: this.schedule.now, from, to });
    if (this.loses(from, to)) return;
    this.schedule.plan(this.schedule.now + LATENCY_MS, () => {
      const decoded = decodeBalancerMessage(payload);
      if (!decoded.ok) throw new Error(`sent what cannot be read: ${decoded.reason}`);
      this.engines[to]?.receive(from, decoded.message);
    });
  }

  run(ms: number): void {
    this.schedule.runUntil(this.schedule.now + ms);
  }

  known(by: number, member: number): string[] {
    const known = (this.engines[by] as FlowEngine).flowsOf(member).map(flowKey).toSorted();
    expect([...((this.added[by] as Map<string, Flow>[])[member] as Map<string, Flow>).keys()].toSorted()).toEqual(known);
    return known;
  }

  listed(member: number): string[] {
    return (this.flows[member] as Flow[]).map(flowKey).toSorted();
  }
}

function clients(count: number, network = 1): Flow[] {
  return Array.from({ length: count }, (_, i) => ({
    address: i % 3 === 0 ? `fd00::${network}:${(i >> 4).toString(16)}` : `10.${network}.${(i >> 4) >> 8}.${(i >> 4) & 255}`,
    port: 40_000 + (i & 15),
  }));
}

test('every host knows the connections of every other and its own, half a second after they were made or ended', () => {
  const world = new World(3);
  world.run(1000);
  world.flows[0] = clients(300);
  world.flows[1] = clients(10, 2);
  world.run(510);
  for (const by of [0, 1, 2]) for (const member of [0, 1, 2]) expect(world.known(by, member)).toEqual(world.listed(member));
  world.flows[0] = clients(300).slice(5);
  world.run(510);
  expect(world.known(2, 0)).toEqual(world.listed(0));
});

test('an agent that starts asks, and knows all', () => {
  const world = new World(3);
  world.flows[1] = clients(500);
  world.run(1000);
  world.engines[0]?.stop();
  world.start(0);
  world.run(100);
  expect(world.known(0, 1)).toEqual(world.listed(1));
});

test('an agent that starts is told of many thousands, while it asks on', () => {
  const world = new World(2);
  world.flows[1] = clients(20_000);
  world.run(1000);
  world.engines[0]?.stop();
  world.start(0);
  world.run(6000);
  expect(world.known(0, 1)).toEqual(world.listed(1));
  // Once it has heard all, it asks no more.
  const asked = world.sent.filter(({ from }) => from === 0).length;
  const told = world.sent.filter(({ from }) => from === 1).length;
  world.run(1000);
  expect(world.sent.filter(({ from }) => from === 1).length - told).toBeLessThan(20);
  expect(world.sent.filter(({ from }) => from === 0).length - asked).toBeLessThan(20);
});

test('what a host knew of one that was started anew, with no connections, is gone', () => {
  const world = new World(2);
  world.flows[1] = clients(50);
  world.run(600);
  expect(world.known(0, 1)).toHaveLength(50);
  world.engines[1]?.stop();
  world.flows[1] = [];
  world.start(1);
  world.run(100);
  expect(world.known(0, 1)).toEqual([]);
});

test('what got lost is heard in the end', () => {
  const world = new World(2);
  world.run(1000);
  world.flows[1] = clients(2000);
  world.loses = (from) => from === 1;
  world.run(1000);
  world.loses = () => false;
  expect(world.known(0, 1)).toEqual([]);
  world.run(5000);
  expect(world.known(0, 1)).toEqual(world.listed(1));
});

test('with every third datagram lost the book follows', () => {
  const world = new World(3);
  let count = 0;
  world.loses = () => count++ % 3 === 0;
  for (let round = 0; round < 10; round++) {
    world.flows[1] = clients(100 + round * 50).slice(round * 20);
    world.run(500);
  }
  world.run(5000);
  expect(world.known(2, 1)).toEqual(world.listed(1));
});

test('datagrams are sent a few at a time, listings are read a little at a time, and take a hundredth of a core', () => {
  const world = new World(3);
  world.flows[0] = clients(20_000);
  world.sliceMs = 1;
  world.run(60_000);
  const bursts = new Map<number, number>();
  for (const { at, from, to } of world.sent) if (from === 0 && to === 1) bursts.set(at, (bursts.get(at) ?? 0) + 1);
  expect(Math.max(...bursts.values())).toBeLessThanOrEqual(5);
  // 80 ms each, so one in 8 seconds.
  expect(world.listedAt.length).toBeLessThanOrEqual(8);
  expect(world.listedAt.length).toBeGreaterThanOrEqual(7);
  expect(world.known(1, 0)).toEqual(world.listed(0));
});

test('a listing that fails says why once, and what was known stays', () => {
  const world = new World(2);
  world.flows[0] = clients(20);
  world.run(1000);
  world.refusal = { ok: false, reason: 'ENOENT' };
  world.run(2000);
  expect(world.warnings).toEqual(['connections to the address could not be listed: ENOENT']);
  expect(world.known(1, 0)).toHaveLength(20);
  world.refusal = done;
  world.flows[0] = [];
  world.run(1000);
  expect(world.known(1, 0)).toEqual([]);
});

test('more connections than can be told are said, and those that fit are told', () => {
  const world = new World(2);
  world.flows[0] = Array.from({ length: 30_000 }, (_, i) => ({ address: `fd00::1:${(i >> 4).toString(16)}`, port: 40_000 + (i & 15) }));
  world.sliceMs = 1;
  world.run(20_000);
  expect(world.warnings).toEqual(['more connections than can be told to the other hosts']);
  expect(world.known(1, 0)).toHaveLength(65 * 256);
});

test('after a stop nothing is sent, heard or read', () => {
  const world = new World(2);
  world.flows[0] = clients(20_000);
  world.sliceMs = 1;
  world.run(20);
  expect(world.reading).toBeGreaterThan(0);
  for (const engine of world.engines) engine.stop();
  expect(world.reading).toBe(0);
  const sent = world.sent.length;
  world.run(5000);
  expect(world.sent).toHaveLength(sent);
});
