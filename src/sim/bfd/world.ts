/** Two hosts with the production BFD engine, each with a clock of its own rate, on a link that loses, delays, reorders and can be cut in one direction. */
import { createRandom } from '../../base/random.ts';
import type { BfdTimers } from '../../core/bfd/variables.ts';
import { type BfdChange, BfdEngine } from '../../engine/bfd.ts';
import type { BfdSessionStatus } from '../../engine/bfd-session.ts';
import type { BfdLink, BfdPacket } from '../../ports/bfd.ts';
import type { Clock } from '../../ports/clock.ts';
import { done } from '../../ports/effect.ts';
import { SimNetwork } from '../network.ts';
import type { Quality } from '../scenario.ts';
import { Schedule } from '../schedule.ts';

const ADDRESSES = ['10.0.0.1', '10.0.0.2'] as const;

export interface BfdHostOptions {
  timers: BfdTimers;
  /** Rate of its clock against true time. */
  rate: number;
}

export interface BfdWorldOptions {
  hosts: readonly [BfdHostOptions, BfdHostOptions];
  quality: Quality;
  seed: number;
}

export class BfdWorld {
  readonly schedule = new Schedule();
  readonly network: SimNetwork<undefined>;
  readonly hosts: readonly [BfdHost, BfdHost];
  /** Of so many packets and one more, in each direction, only the last passes: the worst that a link does that never loses more in a row. */
  lostInARow = 0;
  readonly #lost = [0, 0];

  constructor({ hosts, quality, seed }: BfdWorldOptions) {
    const random = createRandom(seed);
    this.network = new SimNetwork({ schedule: this.schedule, random, quality });
    const host = (number: 0 | 1) => new BfdHost({ world: this, number, ...hosts[number], seed: random.below(0x1_0000_0000) });
    this.hosts = [host(0), host(1)];
    for (const { number, receive } of this.hosts) this.network.attach(number, ({ bytes }) => receive(bytes));
  }

  run(forMs: number): void {
    this.schedule.runUntil(this.schedule.now + forMs);
  }

  get bothUp(): boolean {
    return this.hosts.every(({ status }) => status.state === 'Up');
  }

  send(from: 0 | 1, bytes: Uint8Array): void {
    const lost = this.#lost[from] as number;
    this.#lost[from] = lost >= this.lostInARow ? 0 : lost + 1;
    if (lost >= this.lostInARow) this.network.send(1 - from, { from, bytes, seal: undefined });
  }
}

/** True time, and what the host's engine said. */
export type BfdSimChange = BfdChange & { at: number };

export class BfdHost {
  readonly number: 0 | 1;
  readonly engine: BfdEngine;
  readonly changes: BfdSimChange[] = [];
  readonly #world: BfdWorld;
  readonly #rate: number;
  readonly #waiting: Uint8Array[] = [];
  #handler: (packet: BfdPacket & { multihop: boolean }) => void = () => undefined;
  #frozenUntil = 0;

  constructor({ world, number, timers, rate, seed }: BfdHostOptions & { world: BfdWorld; number: 0 | 1; seed: number }) {
    this.#world = world;
    this.number = number;
    this.#rate = rate;
    const session = { localAddress: ADDRESSES[number], remoteAddress: ADDRESSES[1 - number] as string, multihop: false, ...timers };
    const onChange = (change: BfdChange) => this.changes.push({ ...change, at: world.schedule.now });
    this.engine = new BfdEngine({ clock: this.#clock(), link: this.#link(), sessions: [session], seed, onChange });
  }

  get status(): BfdSessionStatus {
    return this.engine.status()[0] as BfdSessionStatus;
  }

  setTimers(timers: BfdTimers): void {
    this.engine.setTimers(this.status, timers);
  }

  /** It has no processor for so long; what arrives waits in its kernel. */
  freeze(ms: number): void {
    this.#frozenUntil = this.#world.schedule.now + ms;
    this.#world.schedule.plan(this.#frozenUntil, () => this.#receiveWaiting());
  }

  readonly receive = (bytes: Uint8Array): void => {
    this.#waiting.push(bytes);
    if (!this.#isFrozen) this.#receiveWaiting();
  };

  get #isFrozen(): boolean {
    return this.#world.schedule.now < this.#frozenUntil;
  }

  #receiveWaiting(): void {
    if (this.#isFrozen) return;
    const [to, from] = [ADDRESSES[this.number], ADDRESSES[1 - this.number] as string];
    for (const bytes of this.#waiting.splice(0)) this.#handler({ from, to, ttl: 255, multihop: false, bytes });
  }

  #clock(): Clock {
    const { schedule } = this.#world;
    return {
      now: () => schedule.now * this.#rate,
      // A trifle later than asked, lest rounding calls back too soon, again and again.
      at: (time, callback) => schedule.plan(time / this.#rate + 1e-6, () => this.#awake(callback)),
    };
  }

  /** Timers that were due while it was frozen come before what the kernel kept, as in Node's loop. */
  #awake(run: () => void): void {
    if (this.#isFrozen) this.#world.schedule.plan(this.#frozenUntil - 1e-9, () => this.#thaw(run));
    else run();
  }

  #thaw(run: () => void): void {
    this.#frozenUntil = Math.min(this.#frozenUntil, this.#world.schedule.now);
    run();
  }

  #link(): BfdLink {
    return {
      openSession: () => ({
        send: (bytes) => {
          this.#world.send(this.number, bytes);
          return done;
        },
        close: () => undefined,
      }),
      onReceive: (handler) => void (this.#handler = handler),
      receiveWaiting: () => this.#receiveWaiting(),
      close: () => void (this.#handler = () => undefined),
    };
  }
}
