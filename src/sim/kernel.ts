import type { Clock } from '../ports/clock.ts';
import { done, type Effect } from '../ports/effect.ts';
import type { EndpointAddress } from '../ports/endpoint.ts';
import type { GateKind, KernelFault } from './scenario.ts';
import type { Schedule } from './schedule.ts';

export interface SimKernelOptions {
  schedule: Schedule;
  clock: Clock;
  /** True time of a time of this host's clock. */
  trueTime: (localMs: number) => number;
  gate: GateKind;
  /** The host begins to answer, or goes on to until a later time. */
  onHold: () => void;
  /** The host answered until now. */
  onEnd: () => void;
  onAnnounce: () => void;
}

/** A host's kernel: it answers for the address until the time it was given, whatever becomes of the agent. */
export class SimKernel implements EndpointAddress {
  readonly faults = new Set<KernelFault>();
  readonly #options: SimKernelOptions;
  /** True time. */
  #until = Number.NEGATIVE_INFINITY;
  #suspendedAt: number | undefined;

  constructor(options: SimKernelOptions) {
    this.#options = options;
  }

  /** True time at which the gate closes by itself; in the past when it is closed. */
  get until(): number {
    return this.#until;
  }

  get answers(): boolean {
    return this.#suspendedAt === undefined && this.#options.schedule.now < this.#until;
  }

  hold(untilMs: number): Effect {
    const { clock, trueTime, onHold } = this.#options;
    // A refused write leaves what was there: the careful assumption.
    if (this.faults.has('hold')) return { ok: false, reason: 'open the gate: the kernel refuses' };
    if (clock.now() >= untilMs) {
      this.#close();
      return { ok: false, reason: 'the lease has ended already' };
    }
    this.#until = trueTime(untilMs);
    onHold();
    return done;
  }

  withdraw(): Effect {
    if (this.faults.has('withdraw')) return { ok: false, reason: 'close the gate: the kernel refuses' };
    this.#close();
    return done;
  }

  yieldTo(): Effect {
    if (this.faults.has('yield')) return { ok: false, reason: 'hand the gate over: the kernel refuses' };
    this.#close();
    return done;
  }

  prepare(): Effect {
    return done;
  }

  announce(): void {
    if (this.answers && !this.faults.has('announce')) this.#options.onAnnounce();
  }

  /** Nothing is left: no power, or no table. */
  reset(): void {
    this.#close();
  }

  suspend(): void {
    this.#suspendedAt ??= this.#options.schedule.now;
  }

  wake(): void {
    const { schedule, gate, onHold } = this.#options;
    if (this.#suspendedAt === undefined) return;
    // A timer counts ticks, and there were none.
    if (gate === 'timeout' && this.#suspendedAt < this.#until) this.#until += schedule.now - this.#suspendedAt;
    this.#suspendedAt = undefined;
    if (this.answers) onHold();
  }

  #close(): void {
    const answered = this.answers;
    this.#until = Number.NEGATIVE_INFINITY;
    if (answered) this.#options.onEnd();
  }
}
