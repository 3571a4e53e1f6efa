import { createRandom, type Random } from '../../../src/base/random.ts';
import type { VirtualRouterConfig } from '../../../src/core/vrrp/state.ts';
import { vrrpGroup } from '../../../src/core/vrrp/wire.ts';
import { VrrpEngine, type VrrpEvent } from '../../../src/engine/vrrp.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { done, type Effect } from '../../../src/ports/effect.ts';
import type { VrrpPacket } from '../../../src/ports/vrrp.ts';
import { SimKernel } from '../../../src/sim/kernel.ts';
import { Schedule } from '../../../src/sim/schedule.ts';
import { SHARED, version3 } from './story.ts';

/** How far a host's clock goes wrong. */
const DRIFT = 0.005;
const DELAY_MAX_MS = 2;
/** Real timers are late, never early. */
const TIMER_LATE_MS = 0.01;
/** Packets that a stopped process finds when it wakes. */
const QUEUE = 100;

export interface LanOptions {
  priorities: readonly number[];
  seed?: number;
  /** Share of packets that is lost. */
  loss?: number;
  config?: Partial<VirtualRouterConfig>;
}

/** Hosts on one simulated link, each with the production engine, a drifting clock, and a kernel that closes the address by itself. */
export class Lan {
  readonly schedule = new Schedule();
  readonly hosts: LanHost[];
  loss: number;
  most = 0;
  readonly #random: Random;

  constructor({ priorities, seed = 1, loss = 0, config = {} }: LanOptions) {
    this.#random = createRandom(seed);
    this.loss = loss;
    this.hosts = priorities.map(
      (priority, index) => new LanHost(this, { index, priority, config, rate: 1 + DRIFT * (2 * this.#random.next() - 1) }),
    );
  }

  get holders(): LanHost[] {
    return this.hosts.filter(({ kernel }) => kernel.answers);
  }

  send(from: LanHost, packet: VrrpPacket): void {
    for (const host of this.hosts) {
      if (host === from || this.#random.chance(this.loss)) continue;
      // One that is sent later arrives later.
      const arrival = Math.max(host.lastArrival, this.schedule.now + this.#random.between(0.05, DELAY_MAX_MS));
      host.lastArrival = arrival;
      this.schedule.plan(arrival, () => host.hear(packet));
    }
  }

  /** Goes on until then; the most that held at one time. */
  runUntil(end: number): number {
    this.most = this.holders.length;
    this.schedule.runUntil(end);
    return this.most;
  }
}

export class LanHost {
  readonly engine: VrrpEngine;
  readonly kernel: SimKernel;
  readonly events: VrrpEvent[] = [];
  lastArrival = 0;
  /** What comes of sending. */
  sending: Effect = done;
  readonly #lan: Lan;
  readonly #wanted: number;
  #receive: (packet: VrrpPacket) => void = () => {};
  #frozenUntil = Number.NEGATIVE_INFINITY;
  #waiting: VrrpPacket[] = [];

  constructor(
    lan: Lan,
    { index, priority, config, rate }: { index: number; priority: number; config: Partial<VirtualRouterConfig>; rate: number },
  ) {
    const { schedule } = lan;
    const source = `10.0.0.${11 + index}`;
    this.#lan = lan;
    this.#wanted = priority;
    const clock: Clock = {
      now: () => schedule.now * rate,
      at: (time, callback) => schedule.plan(time / rate + TIMER_LATE_MS, () => this.#awake(callback)),
    };
    this.kernel = new SimKernel({
      schedule,
      clock,
      trueTime: (local) => local / rate,
      gate: 'deadline',
      onHold: () => {
        lan.most = Math.max(lan.most, lan.holders.length);
      },
      onEnd() {},
      onAnnounce() {},
    });
    const link = {
      source,
      destinations: [vrrpGroup.IPv4],
      send: ({ to, bytes }: { to: string; bytes: Uint8Array }): Effect => {
        if (this.sending.ok) lan.send(this, { from: source, to, ttl: 255, bytes });
        return this.sending;
      },
      onReceive: (handler: (packet: VrrpPacket) => void) => {
        this.#receive = handler;
      },
      close() {},
    };
    this.engine = new VrrpEngine({
      config: { ...version3, ...config },
      links: [{ link, addresses: [SHARED] }],
      clock,
      endpoint: this.kernel,
      onEvent: (event) => void this.events.push(event),
    });
  }

  start(): void {
    this.engine.setPriority(this.#wanted);
  }

  hear(packet: VrrpPacket): void {
    if (this.#isFrozen) this.#waiting = [...this.#waiting, packet].slice(-QUEUE);
    else this.#receive(packet);
  }

  /** The process is stopped: its timers are over before it reads what came meanwhile, as in Node's loop. The kernel goes on. */
  freeze(forMs: number): void {
    const { schedule } = this.#lan;
    this.#frozenUntil = schedule.now + forMs;
    schedule.plan(this.#frozenUntil + 0.01, () => {
      if (this.#isFrozen) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const packet of waiting) this.#receive(packet);
    });
  }

  get #isFrozen(): boolean {
    return this.#lan.schedule.now < this.#frozenUntil;
  }

  #awake(run: () => void): void {
    if (this.#isFrozen) this.#lan.schedule.plan(this.#frozenUntil, () => this.#awake(run));
    else run();
  }
}
