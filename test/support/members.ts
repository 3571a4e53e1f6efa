import { createMember, leaseMember } from '../../src/core/lease/member.ts';
import type { Fitness, LeaseMessage } from '../../src/core/lease/message.ts';
import type { LeaseInput, LeaseOutput, LeaseState } from '../../src/core/lease/state.ts';
import { SILENCE_MS, timingProfiles } from '../../src/core/lease/timing.ts';

export interface Sent {
  from: number;
  to: number;
  message: LeaseMessage;
}

/** Lease machines on one clock, with a network that delivers at once what `drop` lets through, and a kernel that obeys unless told otherwise. */
export class Members {
  now = 0;
  readonly states: LeaseState[];
  /** Everything that was put out, in order. */
  readonly log: { member: number; output: LeaseOutput }[] = [];
  drop: (sent: Sent) => boolean = () => false;
  withdrawWorks = true;
  holdWorks: (member: number) => boolean = () => true;
  #inbox: Sent[] = [];

  constructor(count = 3) {
    const timing = timingProfiles.default;
    this.states = Array.from({ length: count }, (_, self) => createMember({ self, members: count, timing, boot: 100 + self, now: 0 }));
  }

  fitness(member: number, fitness: Fitness): void {
    this.input(member, { kind: 'fitness', fitness, readyBackends: 7, mac: member + 1 });
  }

  /** A cluster in which member 0 has held for a while and everybody has heard everybody. */
  static holding(count = 3): Members {
    const members = new Members(count);
    members.fitness(0, 'good');
    members.run(SILENCE_MS + timingProfiles.default.leaseMs);
    for (let member = 1; member < count; member++) members.fitness(member, 'good');
    members.run(timingProfiles.default.heartbeatMs);
    return members;
  }

  get holders(): number[] {
    return this.states.flatMap((state, member) => (state.role.name === 'holder' ? [member] : []));
  }

  input(member: number, input: LeaseInput): void {
    this.#step(member, input);
    this.#deliver();
  }

  /** Lets time pass in steps of a millisecond. */
  run(forMs: number): void {
    for (const end = this.now + forMs; this.now < end; this.now++) {
      for (const [member, state] of this.states.entries()) if (leaseMember.wakeAt(state) <= this.now) this.input(member, { kind: 'tick' });
    }
  }

  #deliver(): void {
    for (let sent = this.#inbox.shift(); sent !== undefined; sent = this.#inbox.shift()) {
      if (!this.drop(sent)) this.#step(sent.to, { kind: 'message', from: sent.from, message: sent.message });
    }
  }

  #step(member: number, input: LeaseInput): void {
    const { state, outputs } = leaseMember.step(this.states[member] as LeaseState, input, this.now);
    this.states[member] = state;
    for (const output of outputs) {
      this.log.push({ member, output });
      if (output.kind === 'send') this.#inbox.push({ from: member, to: output.to, message: output.message });
      else if (output.kind === 'withdraw') this.#step(member, { kind: 'withdrawn', ok: this.withdrawWorks });
      else if (output.kind === 'hold' && !this.holdWorks(member)) this.#step(member, { kind: 'hold-failed', reason: 'told to fail' });
    }
  }
}
