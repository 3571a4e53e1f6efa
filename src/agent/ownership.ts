import { microTimeOf } from '../core/apiserver/micro-time.ts';
import { randomInt } from 'node:crypto';
import { printable } from '../base/printable.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { electionTiming } from '../core/election/timing.ts';
import { isFresh, type LeaseState, majority } from '../core/lease/state.ts';
import { type ElectionEvent, ElectionEngine } from '../engine/election.ts';
import type { Clock } from '../ports/clock.ts';
import type { RecordStatus } from '../ports/control.ts';
import type { Lock } from '../ports/lock.ts';
import type { Log } from '../ports/log.ts';
import { openLock } from './lock.ts';
import type { Self } from './self.ts';

/** How long a member that reaches a ready API server must have been around before an owner that reaches none lets go: one wobble must not move the address. */
const OUTCLASSED_MS = 2000;
/** Between two looks whether the address has left this host. */
const WITHDRAWN_LOOK_MS = 10;

export interface OwnershipOptions {
  cluster: Cluster;
  self: Self;
  clock: Clock;
  log: Log;
  /** Whether this host answers for the address, or is about to. */
  isInvolved: () => boolean;
  /** Whether this host may hold has changed. */
  onChange: () => void;
  onFailed: () => void;
}

export interface Ability {
  /** Nothing on this host itself stands against holding. */
  willing: boolean;
  /** API servers that are ready for this host; a bit mask by member. */
  ready: number;
  lease: LeaseState;
}

/** This host's part in an election by a record: it wants the record while it could hold the address, and lets go of it once the address has left. */
export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #lock: Lock;
  readonly #engine: ElectionEngine;
  #wanted = false;
  #outclassedSince: number | undefined;
  #waiting = false;

  /** Undefined with `election: quorum`. Throws a HaleError when the credentials for the record cannot be used. */
  static open(options: OwnershipOptions): Ownership | undefined {
    const lock = openLock(options.cluster, options.self);
    return lock === undefined ? undefined : new Ownership(options, lock);
  }

  private constructor(options: OwnershipOptions, lock: Lock) {
    this.#options = options;
    this.#lock = lock;
    const { self, clock, cluster } = options;
    this.#engine = new ElectionEngine({
      // kube-vip writes the name of the node too.
      identity: self.host.name,
      timing: electionTiming(cluster.lease),
      seed: randomInt(2 ** 32),
      clock,
      lock,
      wallTime: () => microTimeOf(Date.now()),
      onEvent: (event) => this.#onEvent(event),
    });
  }

  /** Whether this host may hold the address, as far as the record goes. */
  get mayHold(): boolean {
    return this.#wanted && this.#engine.owns;
  }

  /**
   * A host that hears no majority could not hold, and must not keep the record from one that could. Without a ready API server a host does
   * not ask for the record; an owner keeps it as long as nobody else could do better.
   */
  update({ willing, ready, lease }: Ability): void {
    const now = this.#options.clock.now();
    const heard = lease.peers.filter((_, member) => member !== lease.config.self && isFresh(lease, member, now));
    const othersReach = heard.some(({ heartbeat }) => (heartbeat?.readyBackends ?? 0) !== 0);
    const able = willing && !lease.draining && heard.length + 1 >= majority(lease.config.members);
    this.#outclassedSince = ready !== 0 || !othersReach ? undefined : (this.#outclassedSince ?? now);
    const outclassed = this.#outclassedSince !== undefined && now - this.#outclassedSince >= OUTCLASSED_MS;
    this.#wanted = able && (ready !== 0 || (this.#engine.owns && !outclassed));
    this.#say();
  }

  /** The record may be free in a moment: its owner gave the address up. */
  look(): void {
    this.#engine.look();
  }

  /** After the address has left this host: returns when the record is let go of, or at `until`. */
  async letGo(until: number): Promise<void> {
    const { clock } = this.#options;
    this.#wanted = false;
    this.#engine.compete({ now: false });
    while (!this.#engine.hasLetGo && clock.now() < until)
      await new Promise((resolve) => clock.at(clock.now() + WITHDRAWN_LOOK_MS, () => resolve(undefined)));
  }

  stop(): void {
    this.#engine.stop();
  }

  status(): RecordStatus {
    const { observed, problem } = this.#engine.state;
    return {
      name: this.#lock.name,
      // Written by whoever takes part.
      owner: printable(observed?.record?.holderIdentity ?? '') || null,
      owned: this.#engine.owns,
      changedMsAgo: observed === undefined ? null : Math.round(this.#options.clock.now() - observed.at),
      problem: problem === undefined ? null : printable(problem),
    };
  }

  /** Why the record keeps this host from holding, in words; undefined when it does not. */
  unfit(): string | undefined {
    if (this.mayHold) return undefined;
    const { name, owner, owned, problem } = this.status();
    if (owned) return `this host lets go of ${name}`;
    const why = owner === null ? `nobody owns ${name}` : `${owner} owns ${name}`;
    return `${why}, and only its owner may hold the address${problem === null ? '' : `; ${problem}`}`;
  }

  /** Never lets go before the address has left: the next owner, which may be no program of ours, would hold it too. */
  #say(): void {
    const { clock, isInvolved } = this.#options;
    if (this.#wanted || !isInvolved()) return this.#engine.compete({ now: this.#wanted });
    if (this.#waiting) return;
    this.#waiting = true;
    clock.at(clock.now() + WITHDRAWN_LOOK_MS, () => {
      this.#waiting = false;
      this.#say();
    });
  }

  #onEvent(event: ElectionEvent): void {
    const { log, onChange, onFailed } = this.#options;
    const record = this.#lock.name;
    if (event.kind === 'failed') {
      log.debug({ record, reason: event.reason }, 'the record of the election cannot be read or written');
      return onFailed();
    }
    if (event.kind === 'became-owner') log.info({ record }, 'owns the record of the election');
    else log.info({ record, reason: event.reason, problem: this.#engine.state.problem }, 'no longer owns the record of the election');
    onChange();
  }
}
