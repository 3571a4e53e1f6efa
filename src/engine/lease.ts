import { createMember, leaseMember } from '../core/lease/member.ts';
import type { Boot, Fitness, LeaseMessage, Member } from '../core/lease/message.ts';
import type { LeaseInput, LeaseOutput, LeaseState, LossReason } from '../core/lease/state.ts';
import type { LeaseTiming } from '../core/lease/timing.ts';
import { decodeLeaseMessage, encodeLeaseMessage } from '../core/lease/wire.ts';
import { macText } from '../base/address.ts';
import type { Clock } from '../ports/clock.ts';
import type { Datagram } from '../ports/datagram.ts';
import { done } from '../ports/effect.ts';
import type { EndpointAddress } from '../ports/endpoint.ts';
import { Waker } from './waker.ts';

export type LeaseEvent =
  | { kind: 'became-holder'; term: number; predecessor: Member | undefined; handedOver: boolean }
  | { kind: 'lost'; term: number; reason: LossReason }
  | { kind: 'hold-failed'; reason: string }
  | { kind: 'withdraw-failed'; reason: string }
  /** The hand-over goes on, but connections under way will break. */
  | { kind: 'prepare-failed'; reason: string }
  | { kind: 'malformed'; from: Member; reason: string };

export interface LeaseEngineOptions {
  self: Member;
  members: number;
  timing: LeaseTiming;
  boot: Boot;
  /** False where something else decides who answers for the address; true without it. */
  stands?: boolean;
  clock: Clock;
  datagram: Datagram;
  endpoint: EndpointAddress;
  onEvent: (event: LeaseEvent) => void;
  /** A member counts on no promises any more: it has given the lease up, or a round that it lost. */
  onReleased?: () => void;
}

/** Feeds the lease machine from clock and network, and carries out what it decides. */
export class LeaseEngine {
  readonly #options: LeaseEngineOptions;
  readonly #queue: LeaseInput[] = [];
  #state: LeaseState;
  readonly #waker: Waker;
  #busy = false;
  /** A message to all is one object; it is encoded once. */
  #encoded: { message: LeaseMessage; bytes: Uint8Array } | undefined;
  #stopped = false;

  constructor(options: LeaseEngineOptions) {
    this.#options = options;
    this.#waker = new Waker(options.clock, () => this.#input({ kind: 'tick' }));
    this.#state = createMember({ ...options, now: options.clock.now() });
    options.datagram.onReceive((from, payload) => this.#receive(from, payload));
    this.#input({ kind: 'tick' });
  }

  get state(): LeaseState {
    return this.#state;
  }

  setFitness(facts: { fitness: Fitness; readyBackends: number; mac: number }): void {
    this.#input({ kind: 'fitness', ...facts });
  }

  drain(): void {
    this.#input({ kind: 'drain' });
  }

  resume(): void {
    this.#input({ kind: 'resume' });
  }

  /** No more timers and messages. Does not withdraw: drain first. */
  stop(): void {
    this.#stopped = true;
    this.#waker.cancel();
  }

  #receive(from: Member, payload: Uint8Array): void {
    const decoded = decodeLeaseMessage(payload);
    if (decoded.ok) {
      this.#input({ kind: 'message', from, message: decoded.message });
      if (decoded.message.kind === 'release') this.#options.onReleased?.();
    } else this.#options.onEvent({ kind: 'malformed', from, reason: decoded.reason });
  }

  #input(input: LeaseInput): void {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#queue.push(input);
      return;
    }
    this.#busy = true;
    try {
      this.#step(input);
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    } finally {
      this.#busy = false;
    }
    this.#waker.arm(leaseMember.wakeAt(this.#state));
  }

  #step(input: LeaseInput): void {
    const { state, outputs } = leaseMember.step(this.#state, input, this.#options.clock.now());
    this.#state = state;
    for (const output of outputs) this.#carryOut(output);
  }

  #carryOut(output: LeaseOutput): void {
    const { datagram, endpoint, onEvent } = this.#options;
    switch (output.kind) {
      case 'send':
        return datagram.send(output.to, this.#encode(output.message));
      case 'hold': {
        const effect = endpoint.hold(output.until);
        if (effect.ok) return;
        onEvent({ kind: 'hold-failed', reason: effect.reason });
        this.#queue.push({ kind: 'hold-failed', reason: effect.reason });
        return;
      }
      case 'withdraw': {
        const successorMac = output.successor === undefined ? undefined : this.#macOf(output.successor);
        const effect = successorMac === undefined ? endpoint.withdraw() : endpoint.yieldTo(successorMac);
        if (!effect.ok) onEvent({ kind: 'withdraw-failed', reason: effect.reason });
        this.#queue.push({ kind: 'withdrawn', ok: effect.ok });
        return;
      }
      case 'prepare': {
        const predecessorMac = this.#macOf(output.predecessor);
        const effect = predecessorMac === undefined ? done : endpoint.prepare({ predecessorMac, untilMs: output.until });
        if (!effect.ok) onEvent({ kind: 'prepare-failed', reason: effect.reason });
        return;
      }
      case 'announce':
        return endpoint.announce();
      default:
        return onEvent(output);
    }
  }

  #encode(message: LeaseMessage): Uint8Array {
    if (this.#encoded?.message !== message) this.#encoded = { message, bytes: encodeLeaseMessage(message) };
    return this.#encoded.bytes;
  }

  /** The hardware address that a member tells in its heartbeats. */
  #macOf(member: Member): string | undefined {
    const mac = this.#state.peers[member]?.heartbeat?.mac ?? 0;
    return mac === 0 ? undefined : macText(mac);
  }
}
