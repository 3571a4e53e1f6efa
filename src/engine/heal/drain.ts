import { createDrain, drain } from '../../core/heal/drain/drain.ts';
import type { DrainConfig, DrainInput, DrainOutcome, DrainOutput, DrainState } from '../../core/heal/drain/state.ts';
import type { BudgetFacts, PodFacts } from '../../core/heal/facts.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EvictResult, NodeApi, WatchSink } from '../../ports/node-api.ts';
import { Waker } from '../waker.ts';

export interface DrainOptions {
  api: NodeApi;
  clock: Clock;
  config: DrainConfig;
  onProgress: (progress: DrainProgress) => void;
}

export type DrainProgress = Extract<DrainOutput, { kind: 'progress' }>;

/** Drains nodes: feeds the machine from two watches, and sends what it asks for. */
export class DrainRun {
  readonly #options: DrainOptions;
  readonly #state: DrainState;
  readonly #waker: Waker;
  readonly #stops: (() => void)[] = [];
  /** Settles with the outcome, and then nothing of the drain is left. */
  readonly ended: Promise<DrainOutcome>;
  readonly #end: (outcome: DrainOutcome) => void;

  constructor(options: DrainOptions) {
    const { api, clock, config } = options;
    this.#options = options;
    const ended = Promise.withResolvers<DrainOutcome>();
    this.ended = ended.promise;
    this.#end = ended.resolve;
    this.#state = createDrain(config, clock.now());
    this.#waker = new Waker(clock, () => this.#input({ kind: 'tick' }));
    this.#waker.arm(drain.wakeAt(this.#state));
    this.#stops.push(api.watchBudgets(this.#budgetSink()), api.watchPods(this.#podSink(), { nodes: config.nodes }));
  }

  cancel(): void {
    this.#input({ kind: 'cancel' });
  }

  #podSink(): WatchSink<PodFacts> {
    return {
      replaced: (items) => this.#input({ kind: 'pods', items }),
      changed: (item) => this.#input({ kind: 'pod', item }),
      removed: (item) => this.#input({ kind: 'pod-gone', item }),
      broken: () => undefined,
      alive: () => undefined,
    };
  }

  #budgetSink(): WatchSink<BudgetFacts> {
    return {
      replaced: (items) => this.#input({ kind: 'budgets', items }),
      changed: (item) => this.#input({ kind: 'budget', item }),
      removed: (item) => this.#input({ kind: 'budget-gone', item }),
      broken: () => undefined,
      alive: () => undefined,
    };
  }

  #input(input: DrainInput): void {
    const { outputs } = drain.step(this.#state, input, this.#options.clock.now());
    this.#waker.arm(drain.wakeAt(this.#state));
    for (const output of outputs) this.#carryOut(output);
  }

  #carryOut(output: DrainOutput): void {
    const { api, onProgress } = this.#options;
    if (output.kind === 'progress') return onProgress(output);
    if (output.kind === 'ended') {
      this.#waker.cancel();
      for (const stop of this.#stops) stop();
      return this.#end(output.outcome);
    }
    const { pod, graceSeconds } = output;
    const grace = graceSeconds === undefined ? {} : { graceSeconds };
    const answer = output.kind === 'evict' ? api.evict(pod, grace) : api.deletePod(pod, grace);
    void answer.then((said: EvictResult) => this.#input({ kind: 'answered', pod, answer: said }));
  }
}
