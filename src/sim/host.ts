import type { Random } from '../base/random.ts';
import type { LeaseTiming } from '../core/lease/timing.ts';
import { type LeaseEvent, LeaseEngine } from '../engine/lease.ts';
import type { Clock } from '../ports/clock.ts';
import { done } from '../ports/effect.ts';
import type { EndpointAddress } from '../ports/endpoint.ts';
import type { SimNetwork } from './network.ts';
import type { Schedule } from './schedule.ts';

export interface SimHostOptions {
  index: number;
  members: number;
  timing: LeaseTiming;
  schedule: Schedule;
  network: SimNetwork;
  random: Random;
  /** Rate of this host's clock against true time, near 1. */
  clockRate: number;
  /** Called whenever the kernel of this host begins or goes on to answer for the address. */
  onAnswering: (host: SimHost) => void;
  onEvent: (host: SimHost, event: LeaseEvent) => void;
}

/** A host with a drifting clock, a kernel that closes the address by itself, and the production lease engine as its agent. */
export class SimHost {
  readonly index: number;
  readonly #options: SimHostOptions;
  #engine: LeaseEngine | undefined;
  #frozen = false;
  #waiting: (() => void)[] = [];
  /** True time until which the kernel answers. */
  #answersUntil = Number.NEGATIVE_INFINITY;

  constructor(options: SimHostOptions) {
    this.index = options.index;
    this.#options = options;
  }

  get engine(): LeaseEngine | undefined {
    return this.#engine;
  }

  get answers(): boolean {
    return this.#options.schedule.now < this.#answersUntil;
  }

  /** Starts the agent, which first removes what an earlier run left behind. */
  start(): void {
    if (this.#engine !== undefined) return;
    const { index, members, timing, network, random, onEvent } = this.#options;
    this.#answersUntil = Number.NEGATIVE_INFINITY;
    this.#frozen = false;
    const run: { alive: boolean } = { alive: true };
    this.#stopRun = () => {
      run.alive = false;
    };
    const guarded = (action: () => void) => {
      if (!run.alive) return;
      if (this.#frozen) this.#waiting.push(() => guarded(action));
      else action();
    };
    this.#engine = new LeaseEngine({
      self: index,
      members,
      timing,
      boot: random.below(2 ** 32),
      clock: this.#clock(guarded),
      datagram: {
        send: (to, payload) => network.send(index, to, payload),
        onReceive: (handler) => network.attach(index, (from, payload) => guarded(() => handler(from, payload))),
        close: () => network.detach(index),
      },
      endpoint: this.#endpoint(),
      onEvent: (event) => onEvent(this, event),
    });
    this.#engine.setFitness({ fitness: 'good', readyBackends: 1, mac: index + 1 });
  }

  #stopRun: () => void = () => {};

  /** kill -9 of the agent alone: the kernel keeps what it was given until that runs out. */
  killAgent(): void {
    this.#stopRun();
    this.#options.network.detach(this.index);
    this.#engine?.stop();
    this.#engine = undefined;
    this.#waiting = [];
  }

  /** Power cut. */
  crash(): void {
    this.killAgent();
    this.#answersUntil = Number.NEGATIVE_INFINITY;
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) action();
  }

  #clock(guarded: (action: () => void) => void): Clock {
    const { schedule, clockRate } = this.#options;
    return {
      now: () => schedule.now * clockRate,
      at: (time, callback) => {
        // A hair late, as real timers are: never early.
        const planned = schedule.plan(time / clockRate + 0.01, () => guarded(callback));
        return {
          cancel: () => {
            planned.cancelled = true;
          },
        };
      },
    };
  }

  #endpoint(): EndpointAddress {
    const { schedule, clockRate, onAnswering } = this.#options;
    return {
      hold: (untilMs) => {
        this.#answersUntil = untilMs / clockRate;
        if (this.answers) onAnswering(this);
        return this.#answersUntil > schedule.now ? done : { ok: false, reason: 'the lease has ended already' };
      },
      withdraw: () => {
        this.#answersUntil = Number.NEGATIVE_INFINITY;
        return done;
      },
      yieldTo: () => {
        this.#answersUntil = Number.NEGATIVE_INFINITY;
        return done;
      },
      prepare: () => done,
      announce: () => {},
    };
  }
}
