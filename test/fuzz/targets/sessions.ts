/** Two agents and somebody between them who keeps, changes, repeats and reorders all that they send. */
import { deepEqual, ok } from 'node:assert/strict';
import { parseKeys } from '../../../src/drivers/datagram/keys.ts';
import { SealedDatagram } from '../../../src/engine/datagram.ts';
import type { Target } from '../target.ts';

const ADDRESSES = ['10.0.0.11', '10.0.0.12'] as const;
const STRANGER = '10.0.0.13';
const keys = parseKeys('0123456789abcdef'.repeat(4), 'key');
/** Datagrams that the one between keeps, the newest. */
const KEPT = 48;
const DELIVERIES_AT_ONCE = 12;

interface Packet {
  to: number;
  bytes: Uint8Array;
}

/** One run of one agent. */
interface Run {
  datagram: SealedDatagram;
  receive: (bytes: Uint8Array, from: string) => void;
  /** `peer run:number` of every payload handed on. */
  seen: Set<string>;
  /** Newest run of the peer that was believed. */
  believed: number;
  /** Runs of the peer whose last words were heard. */
  over: Set<number>;
  sent: number;
}

class World {
  now = 0;
  nonce = 1;
  readonly runs: Run[] = [];
  readonly packets: Packet[] = [];
  /** By agent: number of its present run. */
  readonly numbers = [0, 0];
  delivered = 0;

  constructor() {
    for (const self of [0, 1]) this.start(self);
  }

  start(self: number): void {
    const number = (this.numbers[self] = (this.numbers[self] as number) + 1);
    const run: Partial<Run> = { seen: new Set(), believed: 0, over: new Set(), sent: 0 };
    run.datagram = new SealedDatagram({
      self,
      addresses: ADDRESSES,
      packets: {
        send: (to, bytes) => this.keep({ to: ADDRESSES.indexOf(to as (typeof ADDRESSES)[0]), bytes }),
        onReceive: (handler) => (run.receive = handler),
        close: () => {},
      },
      cluster: 7,
      boot: self * 1000 + number,
      keys,
      clock: { now: () => this.now, at: () => ({ cancel: () => {} }) },
      randomNonce: () => this.nonce++,
      onRejected: () => {},
    });
    run.datagram.onReceive((from, payload) => this.accept(run as Run, 1 - self, { from, payload }));
    this.runs[self] = run as Run;
  }

  keep(packet: Packet): void {
    this.packets.push({ to: packet.to, bytes: Uint8Array.from(packet.bytes) });
    if (this.packets.length > KEPT) this.packets.shift();
  }

  send(from: number): void {
    const run = this.runs[from] as Run;
    run.datagram.send(1 - from, Uint8Array.of(this.numbers[from] as number, run.sent >> 8, run.sent++ & 0xff));
  }

  accept(run: Run, peer: number, { from, payload }: { from: number; payload: Uint8Array }): void {
    this.delivered++;
    ok(from === peer, `a message from ${from}, where only ${peer} has sent`);
    if (payload.length > 3) {
      // Last words: the boot number of their round says whose.
      const number = new DataView(payload.buffer, payload.byteOffset).getUint32(4) - peer * 1000;
      ok(number >= run.believed, 'last words of a run before the one that is believed');
      run.over.add(number);
      return;
    }
    const [number = 0] = payload;
    const name = [...payload].join(':');
    ok(!run.seen.has(name), `${name} was handed on twice`);
    ok(number >= run.believed, `run ${number} was believed after run ${run.believed}`);
    ok(!run.over.has(number), `run ${number} was heard after its last words`);
    run.seen.add(name);
    run.believed = number;
  }

  deliver(packet: Packet | undefined, from?: string): void {
    if (packet !== undefined) this.runs[packet.to]?.receive(packet.bytes, from ?? (ADDRESSES[1 - packet.to] as string));
  }
}

/** What the one between, or the agents, do: the low bits of the first byte say what, the second with what. */
function act(world: World, { action, argument, rest }: { action: number; argument: number; rest: Uint8Array }): number {
  const packet = world.packets[argument % Math.max(1, world.packets.length)];
  switch (action % 10) {
    case 0:
    case 1:
      world.send(action % 10);
      return 0;
    case 2:
      world.deliver(packet);
      return 0;
    case 3:
      if (packet !== undefined) world.deliver({ ...packet, bytes: flip(packet.bytes, rest[0] ?? 0) });
      return 1;
    case 4: {
      const before = world.delivered;
      world.deliver(packet, argument % 2 === 0 ? STRANGER : ADDRESSES[packet?.to ?? 0]);
      ok(world.delivered === before, "handed on, though from another address than the member's");
      return 0;
    }
    case 5:
      world.start(argument % 2);
      return 0;
    case 6:
      world.now += argument * 8;
      return 0;
    case 7:
      world.deliver({ to: argument % 2, bytes: rest.subarray(0, 64) });
      return 0;
    case 8:
      for (const bytes of (world.runs[argument % 2] as Run).datagram.lastWords(1 - (argument % 2)))
        world.keep({ to: 1 - (argument % 2), bytes });
      return 0;
    default:
      for (const one of world.packets.slice(-DELIVERIES_AT_ONCE)) world.deliver(one);
      return 0;
  }
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const at = (bit >> 3) % bytes.length;
  return bytes.with(at, (bytes[at] as number) ^ (1 << (bit & 7)));
}

/** All three challenges answered, then messages both ways. */
const GREETING = [9, 0, 9, 0, 9, 0, 0, 0, 1, 0, 9, 0];

export const sessionTargets: readonly Target[] = [
  {
    name: 'sealed-datagrams',
    property:
      'only what the peer sent from its address is handed on, each message once, nothing of an earlier run after a later one, nothing after last words',
    seeds: [
      Uint8Array.from(GREETING),
      Uint8Array.from([...GREETING, 5, 0, ...GREETING, 2, 3, 9, 0]),
      Uint8Array.from([...GREETING, 8, 0, 0, 0, 9, 0, 9, 0, 0, 0, 9, 0]),
    ],
    maxLength: 160,
    batch: 64,
    quickExecutions: 320,
    run(input) {
      const world = new World();
      for (let at = 0; at + 1 < input.length; ) {
        const [action = 0, argument = 0] = input.subarray(at, at + 2);
        at += 2;
        at += act(world, { action, argument, rest: input.subarray(at) });
      }
      // Whatever happened, two fresh runs and an honest network make themselves understood.
      for (const self of [0, 1]) world.start(self);
      world.packets.length = 0;
      world.now += 2000;
      for (let i = 0; i < 6; i++) {
        for (const self of [0, 1]) world.send(self);
        for (const packet of world.packets.splice(0)) world.deliver(packet);
        world.now += 50;
      }
      deepEqual(
        world.runs.map(({ seen }) => seen.size > 0),
        [true, true],
      );
    },
  },
];
