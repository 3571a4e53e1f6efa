import type { Random } from '../base/random.ts';
import { timingProfiles } from '../core/lease/timing.ts';
import { type LeaseEvent, LeaseEngine } from '../engine/lease.ts';
import type { Clock } from '../ports/clock.ts';
import { SimKernel } from './kernel.ts';
import type { Packet, SimNetwork } from './network.ts';
import type { GateKind, HostConfig } from './scenario.ts';
import type { Planned, Schedule } from './schedule.ts';
import { openDatagram } from './transport.ts';

export interface HostObserver {
  onHold(host: SimHost): void;
  onEnd(host: SimHost): void;
  onAnnounce(host: SimHost): void;
  onEvent(host: SimHost, event: LeaseEvent): void;
  /** An agent started, or the last of a dead one is gone. */
  onChange(): void;
}

export interface SimHostOptions {
  index: number;
  config: HostConfig;
  schedule: Schedule;
  network: SimNetwork<HostConfig>;
  random: Random;
  /** Rate of this host's clock against true time, near 1. */
  clockRate: number;
  gate: GateKind;
  sealed: boolean;
  observer: HostObserver;
}

/** As the agent's own, in leases: how long a stopping agent waits for its hand-over. */
const SHUTDOWN_LEASES = 2;
const SHUTDOWN_LOOK_MS = 2;
/** A new process is not there at once: a yield of the old run that arrives after the new run's first words would be refused as old. */
const PROCESS_START_MS = 100;
/** Real timers are late, never early. */
const TIMER_LATE_MS = 0.01;
/** As in src/agent/guardian/executor.ts. */
const CLOSE_AGAIN_MS = 20;
const SAY_AGAIN_MS = 2;

interface Run {
  alive: boolean;
}

/** A host with a drifting clock, a kernel that closes the address by itself, and the production lease engine as its agent. */
export class SimHost {
  readonly index: number;
  readonly kernel: SimKernel;
  readonly clock: Clock;
  /** What is on its disk. */
  config: HostConfig;
  /** What the running agent read at its start. */
  running: HostConfig;
  /** Grows with every start and every crash: what came before is over. */
  starts = 0;
  readonly #options: SimHostOptions;
  /** Zero points of clocks differ; nothing may depend on them. */
  readonly #clockOffset: number;
  #engine: LeaseEngine | undefined;
  #sayLastWords: readonly (() => void)[] = [];
  #run: Run = { alive: false };
  #onPacket: ((packet: Packet<HostConfig>) => void) | undefined;
  #frozen = false;
  #suspended = false;
  #waiting: (() => void)[] = [];

  constructor(options: SimHostOptions) {
    const { index, schedule, clockRate, network, observer } = options;
    this.index = index;
    this.config = options.config;
    this.running = options.config;
    this.#options = options;
    this.#clockOffset = 1e6 * (index + 1);
    const toTrue = (local: number) => (local - this.#clockOffset) / clockRate;
    this.clock = {
      now: () => this.#clockOffset + schedule.now * clockRate,
      at: (time, callback) => this.#timer(toTrue(time) + TIMER_LATE_MS, callback),
    };
    this.kernel = new SimKernel({
      schedule,
      clock: this.clock,
      trueTime: toTrue,
      gate: options.gate,
      onHold: () => observer.onHold(this),
      onEnd: () => observer.onEnd(this),
      onAnnounce: () => observer.onAnnounce(this),
    });
    network.attach(index, (packet) => this.#receive(packet));
  }

  get engine(): LeaseEngine | undefined {
    return this.#engine;
  }

  get answers(): boolean {
    return this.kernel.answers;
  }

  /** Its agent runs, and at its normal pace. */
  get isLive(): boolean {
    return this.#engine !== undefined && !this.#frozen && !this.#suspended;
  }

  /** True time of a time of this host's clock. */
  trueTime(localMs: number): number {
    return (localMs - this.#clockOffset) / this.#options.clockRate;
  }

  /** Starts the agent, which first removes what an earlier run left behind. */
  start(): void {
    if (this.#engine !== undefined || this.#suspended) return;
    const { index, network, random, sealed, observer } = this.#options;
    if (!this.config.members.includes(index)) return;
    this.kernel.reset();
    this.#frozen = false;
    this.starts++;
    this.running = this.config;
    const { members, profile } = this.config;
    const boot = 1 + random.below(2 ** 32);
    const opened = openDatagram({ host: index, config: this.config, boot, network, random, clock: this.clock, sealed });
    this.#run = { alive: true };
    this.#onPacket = opened.receive;
    this.#sayLastWords = opened.sayLastWords;
    this.#engine = new LeaseEngine({
      self: members.indexOf(index),
      members: members.length,
      timing: timingProfiles[profile],
      boot,
      clock: this.clock,
      datagram: opened.datagram,
      endpoint: this.kernel,
      onEvent: (event) => observer.onEvent(this, event),
    });
    this.#engine.setFitness({ fitness: 'good', readyBackends: 1, mac: index + 1 });
    observer.onChange();
  }

  /** kill -9: the kernel keeps what it was given until that runs out. */
  kill(): void {
    this.#run.alive = false;
    this.#onPacket = undefined;
    this.#engine?.stop();
    this.#engine = undefined;
    this.#waiting = [];
    this.#frozen = false;
  }

  /** kill -9 of the agent alone: its guardian withdraws the address and only then, and only within a lease, gives back what was promised. */
  killGuarded(afterMs: number): void {
    const { starts, running } = this;
    const sayLastWords = this.#engine === undefined ? [] : this.#sayLastWords;
    this.kill();
    const { schedule, observer } = this.#options;
    const until = schedule.now + timingProfiles[running.profile].leaseMs;
    const guard = (at: number, act: () => void) =>
      schedule.plan(at, () => {
        if (this.starts === starts && !this.#suspended) act();
      });
    const execute = () => {
      if (schedule.now >= until) return;
      if (!this.kernel.withdraw().ok) return void guard(schedule.now + CLOSE_AGAIN_MS, execute);
      for (const [round, say] of sayLastWords.entries()) guard(schedule.now + round * SAY_AGAIN_MS, say);
      observer.onChange();
    };
    if (sayLastWords.length > 0) guard(schedule.now + afterMs, execute);
  }

  /** Power cut. */
  crash(): void {
    this.kill();
    // No guardian outlives this.
    this.starts++;
    this.#suspended = false;
    this.kernel.wake();
    this.kernel.reset();
  }

  /** Ends the agent as its supervisor does: hands over, withdraws, and starts it again. */
  restart(): void {
    const { schedule } = this.#options;
    const engine = this.#engine;
    if (engine === undefined) return this.start();
    engine.drain();
    const until = schedule.now + SHUTDOWN_LEASES * timingProfiles[this.running.profile].leaseMs;
    const look = () => {
      if (this.#engine !== engine) return;
      const { name } = engine.state.role;
      if (schedule.now < until && (name === 'holder' || name === 'withdrawing')) {
        this.#timer(schedule.now + SHUTDOWN_LOOK_MS, look);
        return;
      }
      this.kernel.withdraw();
      this.kill();
      const { starts } = this;
      schedule.plan(schedule.now + PROCESS_START_MS, () => {
        if (this.starts === starts) this.start();
      });
    };
    this.#timer(schedule.now, look);
  }

  freeze(): void {
    if (this.#engine !== undefined) this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    if (!this.#suspended) this.#catchUp();
  }

  suspend(): void {
    this.#suspended = true;
    this.kernel.suspend();
  }

  wake(): void {
    if (!this.#suspended) return;
    this.#suspended = false;
    this.kernel.wake();
    if (!this.#frozen) this.#catchUp();
  }

  #catchUp(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) action();
  }

  #receive(packet: Packet<HostConfig>): void {
    const handler = this.#onPacket;
    if (handler === undefined || this.#suspended) return;
    if (this.#frozen) this.#waiting.push(() => handler(packet));
    else handler(packet);
  }

  #timer(at: number, callback: () => void): Planned {
    const run = this.#run;
    const fire = () => {
      if (!run.alive) return;
      if (this.#frozen || this.#suspended) this.#waiting.push(fire);
      else callback();
    };
    return this.#options.schedule.plan(at, fire);
  }
}
