/**
 * The `dsr` datapath: feeds the steering (core/balancer/steering.ts) from health, from the connections that members tell, and from what the
 * holder says, and writes it into this host's kernel. Every host keeps its table as the holder's, so that whoever is next steers alike.
 */
import { type Flow, flowKey } from '../core/balancer/flow.ts';
import type { FlowDelta } from '../core/balancer/flow-book.ts';
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
  tell: () => void;
  /** A change of the kernel failed; what is missing comes back with `reconcile`. */
  onFailure: (reason: string) => void;
}

export class SteeringEngine implements Datapath {
  readonly #options: SteeringEngineOptions;
  #steering: Steering = createSteering();
  #states: BackendState[] = [];
  #serving = 0;
  #dead = 0;
  /** By the masks, the backend of each slot for connections under way. */
  #assigned: readonly (number | undefined)[] = [];
  #exceptions = new Map<string, SteeringException>();
  #holding = false;
  #timer: Timer | undefined;

  constructor(options: SteeringEngineOptions) {
    this.#options = options;
  }

  get masks(): Masks {
    const { opening, established } = this.#steering;
    return { opening, established };
  }

  /** Backends that have died, as far as this host knows. */
  get dead(): number {
    return this.#dead;
  }

  apply({ backends }: DatapathPlan): void {
    const { table } = this.#options;
    this.#note(table.setStations(backends.map(({ mac }) => mac)));
    const before = this.#view;
    // Nothing can be steered to a host whose MAC is unknown.
    this.#states = backends.map(({ state, mac }) => (mac === undefined ? 'dead' : state));
    this.#dead = backends.reduce((mask, { state }, i) => (state === 'dead' ? mask | (1 << i) : mask), 0);
    this.#serving = backends.reduce((mask, { serves }, i) => (serves ? mask | (1 << i) : mask), 0);
    // Plans come every two seconds; to go through all connections for one that says nothing new would hold up the lease.
    if (this.#holding && this.#view !== before) this.#step();
  }

  /** All that the steering is made of. */
  get #view(): string {
    return [...this.#states, this.#serving, this.#dead].join();
  }

  setHolding(holding: { now: boolean }): void {
    this.#holding = holding.now;
    if (this.#holding) this.#step();
    else this.#timer?.cancel();
  }

  /** The holder said how it steers. */
  follow({ opening, established }: Masks): void {
    const same = opening === this.#steering.opening && established === this.#steering.established;
    if (this.#holding || same) return;
    this.#steering = adopt({ opening, established }, this.#options.clock.now());
    this.#write();
  }

  /** A member told which connections it has by now. */
  flowsChanged(backend: number, { added, removed }: FlowDelta): void {
    const before = this.#exceptions.size;
    for (const flow of removed) {
      const key = flowKey(flow);
      if (this.#exceptions.get(key)?.backend === backend) this.#exceptions.delete(key);
    }
    const changed = this.#addExceptions(backend, added) || this.#exceptions.size !== before;
    if (changed) this.#note(this.#options.table.except(this.#exceptions));
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
    const settles = clock.now() >= this.#steering.settleAt;
    this.#steering = steer(this.#steering, { states: this.#states, serving: this.#serving }, clock.now());
    this.#write();
    if (settles) return this.#step();
    tell();
    this.#timer?.cancel();
    if (this.#steering.settleAt !== Number.POSITIVE_INFINITY) this.#timer = clock.at(this.#steering.settleAt, () => this.#step());
  }

  /** A packet may come between any two changes: while a slot changes its backend, exceptions from before and from after must be there. */
  #write(): void {
    const { backends, flowsOf, table } = this.#options;
    const before = this.#exceptions;
    this.#assigned = assignSlots(backends, this.#steering.established);
    this.#exceptions = new Map();
    for (let backend = 0; backend < backends; backend++) this.#addExceptions(backend, flowsOf(backend));
    this.#note(table.except(new Map([...before, ...this.#exceptions])));
    this.#note(table.steer(this.masks));
    this.#note(table.except(this.#exceptions));
  }

  /** What lived on a dead host must not be led there: whoever meets it resets it. */
  #addExceptions(backend: number, flows: readonly Flow[]): boolean {
    const before = this.#exceptions.size;
    if (!this.#lives(backend)) return false;
    for (const flow of flows) {
      if (this.#assigned[slotOf(flow, this.#options.backends)] !== backend) this.#exceptions.set(flowKey(flow), { flow, backend });
    }
    return this.#exceptions.size !== before;
  }

  #lives(backend: number): boolean {
    return this.#states[backend] !== undefined && this.#states[backend] !== 'dead';
  }

  #note(effect: Effect): void {
    if (!effect.ok) this.#options.onFailure(effect.reason);
  }
}
