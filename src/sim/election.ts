/** Candidates of the production engine, each with a clock of its own rate, over one record that answers late, twice as late as anybody waits, or never. */
import type { Random } from '../base/random.ts';
import type { ElectionRecord } from '../core/election/record.ts';
import type { ElectionTiming } from '../core/election/timing.ts';
import { ElectionEngine } from '../engine/election.ts';
import type { Clock } from '../ports/clock.ts';
import type { Lock, LockRead, LockWrite } from '../ports/lock.ts';
import type { Schedule } from './schedule.ts';

/** What etcd or the API does with a record: replaces it only at the version that the writer names. */
export class SimulatedRecord {
  #record: ElectionRecord | undefined;
  #version = 0;

  read(): LockRead {
    return this.#record === undefined ? { kind: 'absent' } : { kind: 'found', record: this.#record, version: String(this.#version) };
  }

  write(record: ElectionRecord, version: string | undefined): LockWrite {
    const current = this.#record === undefined ? undefined : String(this.#version);
    if (version !== current) return { kind: 'conflict' };
    this.#record = record;
    return { kind: 'written', version: String(++this.#version) };
  }
}

export interface SimulatedCandidateOptions {
  name: string;
  timing: ElectionTiming;
  seed: number;
  schedule: Schedule;
  random: Random;
  record: SimulatedRecord;
  /** Rate of its clock against true time. */
  rate: number;
  /** After so long without an answer a call has failed; what was asked may still come about. */
  timeoutMs: number;
}

export class SimulatedCandidate {
  readonly engine: ElectionEngine;
  readonly #options: SimulatedCandidateOptions;
  #frozenUntil = 0;
  #slowUntil = 0;
  #apartUntil = 0;

  constructor(options: SimulatedCandidateOptions) {
    this.#options = options;
    const { name, timing, seed, schedule } = options;
    const clock = this.#clock();
    // A stopped clock is the worst that a writer can put into the record: nobody may decide by it.
    const wallTime = () => '1970-01-01T00:00:00.000000Z';
    this.engine = new ElectionEngine({ identity: name, timing, seed, clock, lock: this.#lock(), wallTime, onEvent: () => undefined });
    schedule.plan(schedule.now, () => this.engine.compete({ now: true }));
  }

  /** Neither timers nor answers reach it for so long; what it sent goes on. */
  freeze(ms: number): void {
    this.#frozenUntil = this.#options.schedule.now + ms;
  }

  /** For so long its calls take up to twice their deadline in each direction. */
  slow(ms: number): void {
    this.#slowUntil = this.#options.schedule.now + ms;
  }

  /** For so long none of its calls arrives, or none of the answers. */
  isolate(ms: number): void {
    this.#apartUntil = this.#options.schedule.now + ms;
  }

  #clock(): Clock {
    const { schedule, rate } = this.#options;
    return {
      now: () => schedule.now * rate,
      // A trifle later than asked, lest rounding calls back too soon, again and again.
      at: (time, callback) => schedule.plan(time / rate + 1e-6, () => this.#awake(callback)),
    };
  }

  #awake(run: () => void): void {
    const { schedule } = this.#options;
    if (schedule.now < this.#frozenUntil) schedule.plan(this.#frozenUntil, () => this.#awake(run));
    else run();
  }

  #lock(): Lock {
    const { record } = this.#options;
    return {
      name: 'simulated record',
      read: () => this.#call(() => record.read()),
      write: (next, version) => this.#call(() => record.write(next, version)),
      close: () => undefined,
    };
  }

  #call<T>(act: () => T): Promise<T | { kind: 'failed'; reason: string }> {
    const { schedule, random, timeoutMs } = this.#options;
    const isSlow = schedule.now < this.#slowUntil;
    const isApart = schedule.now < this.#apartUntil;
    const delay = () => random.between(0, isSlow ? 2 * timeoutMs : timeoutMs / 20);
    return new Promise((resolve) => {
      schedule.plan(schedule.now + timeoutMs, () => this.#awake(() => resolve({ kind: 'failed', reason: 'no answer' })));
      if (isApart && random.chance(0.5)) return;
      schedule.plan(schedule.now + delay(), () => {
        const result = act();
        if (!isApart) schedule.plan(schedule.now + delay(), () => this.#awake(() => resolve(result)));
      });
    });
  }
}
