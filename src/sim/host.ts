import type { Random } from '../base/random.ts';
import type { LeaseMessage } from '../core/lease/message.ts';
import { timingProfiles } from '../core/lease/timing.ts';
import { encodeLeaseMessage } from '../core/lease/wire.ts';
import { type LeaseEvent, LeaseEngine } from '../engine/lease.ts';
import type { Clock } from '../ports/clock.ts';
import type { Datagram } from '../ports/datagram.ts';
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
/** A guardian that cannot withdraw tries again after this long. */
const WITHDRAW_AGAIN_MS = 50;

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
  #datagram: Datagram | undefined;
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
    this.#datagram = opened.datagram;
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

  /** kill -9 of the agent alone: its guardian withdraws the address, and only then gives back what the agent was promised. */
  killGuarded(afterMs: number): void {
    const { engine, starts } = this;
    const datagram = this.#datagram;
    this.kill();
    if (engine === undefined || datagram === undefined) return;
    const { boot, seq, term, config } = engine.state;
    const release: LeaseMessage = { kind: 'release', round: { boot, seq }, term };
    const { schedule } = this.#options;
    const lastWord = () => {
      if (this.starts !== starts) return;
      if (this.#suspended || !this.kernel.withdraw().ok) {
        schedule.plan(schedule.now + WITHDRAW_AGAIN_MS, lastWord);
        return;
      }
      const bytes = encodeLeaseMessage(release);
      for (let to = 0; to < config.members; to++) if (to !== config.self) datagram.send(to, bytes);
      this.#options.observer.onChange();
    };
    schedule.plan(schedule.now + afterMs, lastWord);
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
