/**
 * The `dsr` datapath: feeds the steering (core/balancer/steering.ts) from health, from the connections that members tell, and from what the
 * holder says, and writes it into this host's kernel. Every host keeps its table as the holder's, so that whoever is next steers alike.
 */
import type { Flow } from '../core/balancer/flow.ts';
import type { BackendState } from '../core/balancer/health.ts';
import type { DatapathPlan } from '../core/balancer/plan.ts';
import { assignSlots, slotOf } from '../core/balancer/slots.ts';
import { adopt, createSteering, type Masks, steer, type Steering } from '../core/balancer/steering.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Datapath } from '../ports/datapath.ts';
import type { Effect } from '../ports/effect.ts';
import type { SteeringException, SteeringTable } from '../ports/steering.ts';

export interface SteeringEngineOptions {
  backends: number;
  clock: Clock;
  table: SteeringTable;
  /** What a member said of the connections that end on its host. */
  flowsOf: (backend: number) => readonly Flow[];
  /** Tells the other members how this host steers. */
  tell: (masks: Masks) => void;
  /** A change of the kernel failed; what is missing comes back with `reconcile`. */
  onFailure: (reason: string) => void;
}

export class SteeringEngine implements Datapath {
  readonly #options: SteeringEngineOptions;
  #steering: Steering = createSteering();
  #states: BackendState[] = [];
  #holding = false;
  #timer: Timer | undefined;

  constructor(options: SteeringEngineOptions) {
    this.#options = options;
  }

  get masks(): Masks {
    const { opening, established } = this.#steering;
    return { opening, established };
  }

  apply({ backends }: DatapathPlan): void {
    const { table } = this.#options;
    this.#note(table.setStations(backends.map(({ mac }) => mac)));
    // Only a host that serves what it has not the lease for, and whose MAC is known, can be steered to.
    this.#states = backends.map(({ state, serves, mac }) => (serves && mac !== undefined ? state : 'dead'));
    if (this.#holding) this.#step();
  }

  setHolding(holding: { now: boolean }): void {
    this.#holding = holding.now;
    if (this.#holding) this.#step();
    else this.#timer?.cancel();
  }

  /** The holder said how it steers. */
  follow(masks: Masks): void {
    if (this.#holding) return;
    this.#steering = adopt(masks, this.#options.clock.now());
    this.#write();
  }

  /** What members told of their connections changed. */
  reviewFlows(): void {
    this.#note(this.#options.table.except(this.#exceptions()));
  }

  /** Connections end on other hosts too, and nothing of them passes through this process. */
  resetConnections(): Promise<void> {
    return Promise.resolve();
  }

  /** They go on, whoever holds the address. */
  drain(): Promise<void> {
    return Promise.resolve();
  }

  /** The kernel of a backend refuses by itself; the health checks hear of it. */
  onRefused(): void {}

  connections(): number {
    let count = 0;
    for (let backend = 0; backend < this.#options.backends; backend++) count += this.#options.flowsOf(backend).length;
    return count;
  }

  reconcile(): string[] {
    return this.#options.table.reconcile();
  }

  close(): Promise<void> {
    this.#timer?.cancel();
    return Promise.resolve();
  }

  #step(): void {
    const { clock, tell } = this.#options;
    this.#steering = steer(this.#steering, this.#states, clock.now());
    this.#write();
    tell(this.masks);
    this.#timer?.cancel();
    if (this.#steering.settleAt !== Number.POSITIVE_INFINITY) this.#timer = clock.at(this.#steering.settleAt, () => this.#step());
  }

  /** Exceptions first: when a slot changes its backend, its connections must be known as living elsewhere. */
  #write(): void {
    this.reviewFlows();
    this.#note(this.#options.table.steer(this.masks));
  }

  #exceptions(): SteeringException[] {
    const { backends, flowsOf } = this.#options;
    const { established } = this.#steering;
    const assigned = assignSlots(backends, established);
    const exceptions: SteeringException[] = [];
    for (let backend = 0; backend < backends; backend++) {
      // What lived on a dead host must not be led there: whoever meets it resets it.
      if (!this.#lives(backend)) continue;
      for (const flow of flowsOf(backend)) {
        if (assigned[slotOf(flow, backends)] !== backend) exceptions.push({ flow, backend });
      }
    }
    return exceptions;
  }

  #lives(backend: number): boolean {
    return this.#states[backend] !== undefined && this.#states[backend] !== 'dead';
  }

  #note(effect: Effect): void {
    if (!effect.ok) this.#options.onFailure(effect.reason);
  }
}
