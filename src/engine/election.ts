import {
  type CandidateInput,
  type CandidateOutput,
  type CandidateState,
  candidate,
  createCandidate,
  hasLetGo,
  type LostReason,
  owns,
  type RecordDraft,
} from '../core/election/candidate.ts';
import type { ElectionTiming } from '../core/election/timing.ts';
import type { Clock } from '../ports/clock.ts';
import type { Lock } from '../ports/lock.ts';
import { Waker } from './waker.ts';

export type ElectionEvent = { kind: 'became-owner' } | { kind: 'lost'; reason: LostReason } | { kind: 'failed'; reason: string };

export interface ElectionEngineOptions {
  /** What stands in the record when this host owns it. */
  identity: string;
  timing: ElectionTiming;
  /** Of the jitter: any number, different on each host. */
  seed: number;
  clock: Clock;
  lock: Lock;
  /** RFC 3339 with microseconds, in UTC: what client-go writes. For people. */
  wallTime: () => string;
  onEvent: (event: ElectionEvent) => void;
}

/** Feeds the candidate from clock and lock: one timer, one call in flight. */
export class ElectionEngine {
  readonly #options: ElectionEngineOptions;
  #state: CandidateState;
  readonly #waker: Waker;
  #stopped = false;

  constructor(options: ElectionEngineOptions) {
    this.#options = options;
    this.#waker = new Waker(options.clock, () => this.#input({ kind: 'tick' }));
    this.#state = createCandidate({ ...options, now: options.clock.now() });
    this.#input({ kind: 'tick' });
  }

  get state(): CandidateState {
    return this.#state;
  }

  /** Whether this host may act as the owner now: asked of the clock, so that it is right also after a freeze. */
  get owns(): boolean {
    return owns(this.#state, this.#options.clock.now());
  }

  get hasLetGo(): boolean {
    return hasLetGo(this.#state);
  }

  /** May be said again and again. `false` lets go of the record: what its owner alone may do must have ended before. */
  compete({ now }: { now: boolean }): void {
    if (this.#state.competing !== now) this.#input({ kind: now ? 'compete' : 'release' });
  }

  /** The record may be free in a moment. */
  look(): void {
    this.#input({ kind: 'look' });
  }

  /** No more timers and calls. Does not let go: `compete({ now: false })` first. */
  stop(): void {
    this.#stopped = true;
    this.#waker.cancel();
    this.#options.lock.close();
  }

  #input(input: CandidateInput): void {
    if (this.#stopped) return;
    const { state, outputs } = candidate.step(this.#state, input, this.#options.clock.now());
    this.#state = state;
    this.#waker.arm(candidate.wakeAt(this.#state));
    for (const output of outputs) this.#carryOut(output);
  }

  #carryOut(output: CandidateOutput): void {
    switch (output.kind) {
      case 'read':
        return void this.#read();
      case 'write':
        return void this.#write(output.draft, output.version);
      default:
        return this.#options.onEvent(output);
    }
  }

  async #read(): Promise<void> {
    const result = await this.#options.lock.read();
    if (result.kind === 'failed') this.#fail({ kind: 'read-failed', reason: result.reason });
    else this.#input(result);
  }

  async #write(draft: RecordDraft, version: string | undefined): Promise<void> {
    const { lock, wallTime } = this.#options;
    const renewTime = wallTime();
    const record = { ...draft, acquireTime: draft.acquireTime ?? renewTime, renewTime };
    const result = await lock.write(record, version);
    if (result.kind === 'failed') this.#fail({ kind: 'write-failed', reason: result.reason });
    else this.#input(result.kind === 'written' ? { ...result, record } : result);
  }

  #fail(input: CandidateInput & { reason: string }): void {
    if (!this.#stopped) this.#options.onEvent({ kind: 'failed', reason: input.reason });
    this.#input(input);
  }
}
