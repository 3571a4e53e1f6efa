import { HaleError } from '../../base/error.ts';
import type { EtcdLook } from '../../core/heal/brakes.ts';
import { controller, createController, planOf } from '../../core/heal/controller.ts';
import type { Heartbeat, NodeFacts } from '../../core/heal/facts.ts';
import type { Plan } from '../../core/heal/plan.ts';
import { encodeHistory, encodeRemedy, HISTORY, REMEDY } from '../../core/heal/record.ts';
import type { ApiPath, ControllerConfig, ControllerInput, ControllerOutput, ControllerState, StepResult } from '../../core/heal/state.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { WatchSink } from '../../ports/node-api.ts';
import { Waker } from '../waker.ts';
import { runStep, type StepRun, type StepTools, takeRemedyBack } from './steps.ts';

/** What there is to say about the work, for the log, the metrics and Events. */
export type HealNews =
  | Extract<ControllerOutput, { kind: 'tell' }>
  | { kind: 'step'; output: Extract<ControllerOutput, { kind: 'run' }>; result: StepResult }
  | { kind: 'taken-back'; output: Extract<ControllerOutput, { kind: 'take-back' }>; problem: string | undefined };

export interface HealControllerOptions {
  /** How it drains is in the policy. */
  tools: Omit<StepTools, 'drain'>;
  config: ControllerConfig;
  clock: Clock;
  /** Unix time in ms. */
  wallMs: () => number;
  lookAtEtcd: () => Promise<EtcdLook>;
  /** Whether this controller owns the Lease at this moment, asked before anything is changed: it may have been frozen since it was told. */
  mayAct: () => boolean;
  onNews: (news: HealNews) => void;
}

/** Between two questions whether the API server calls itself ready. */
const READY_MS = 10_000;

/** The controller of one host: watches while it is active, feeds the machine, and carries out what that decides. */
export class HealController {
  readonly #options: HealControllerOptions;
  readonly #state: ControllerState;
  readonly #waker: Waker;
  readonly #runs = new Map<string, StepRun>();
  #stops: (() => void)[] = [];
  #probe: Timer | undefined;
  /** Counts how often it became active or ceased to be. */
  #tenure = 0;

  constructor(options: HealControllerOptions) {
    const { clock, config, wallMs } = options;
    this.#options = options;
    this.#state = createController({ config, now: clock.now(), wallMs: wallMs() });
    this.#waker = new Waker(clock, () => this.#tick());
  }

  get isActive(): boolean {
    return this.#state.active;
  }

  /** Whether this controller owns the Lease. Without it nothing is watched, begun or gone on with. */
  setActive(active: boolean): void {
    if (active === this.#state.active) return;
    this.#input({ kind: 'active', active });
    for (const stop of this.#stops) stop();
    this.#stops = [];
    this.#probe?.cancel();
    this.#tenure += 1;
    if (!active) return;
    this.#tick();
    const { api } = this.#options.tools;
    this.#stops = [api.watchNodes(this.#nodeSink()), api.watchHeartbeats(this.#heartbeatSink())];
    void this.#askReady(this.#tenure);
  }

  setConfig(config: ControllerConfig): void {
    this.#input({ kind: 'policy', config });
  }

  setPaused(by: string | undefined): void {
    if (by !== this.#state.paused) this.#input({ kind: 'paused', by });
  }

  /** As of now; empty before the nodes are known. */
  plan(): Plan {
    return planOf(this.#state, this.#options.clock.now());
  }

  /** Stops everything; what is under way stays in the nodes, for the next one. */
  stop(): void {
    this.setActive(false);
    this.#waker.cancel();
  }

  #nodeSink(): WatchSink<NodeFacts> {
    return {
      replaced: (items) => this.#heard('nodes', { kind: 'nodes', items }),
      changed: (item) => this.#heard('nodes', { kind: 'node', item }),
      removed: ({ name }) => this.#heard('nodes', { kind: 'node-gone', name }),
      broken: (reason) => this.#input({ kind: 'api', path: 'nodes', problem: `nodes cannot be watched: ${reason}` }),
      alive: () => this.#heard('nodes'),
    };
  }

  #heartbeatSink(): WatchSink<Heartbeat> {
    return {
      replaced: (items) => this.#heard('heartbeats', { kind: 'heartbeats', items }),
      changed: (item) => this.#heard('heartbeats', { kind: 'heartbeat', item }),
      removed: () => this.#heard('heartbeats'),
      broken: (reason) => this.#input({ kind: 'api', path: 'heartbeats', problem: `heartbeats cannot be watched: ${reason}` }),
      alive: () => this.#heard('heartbeats'),
    };
  }

  /** Any word on a watch ends its trouble. */
  #heard(path: ApiPath, input?: ControllerInput): void {
    if (this.#state.failing.has(path)) this.#input({ kind: 'api', path, problem: undefined });
    if (input !== undefined) this.#input(input);
  }

  async #askReady(tenure: number): Promise<void> {
    const { clock, tools } = this.#options;
    const result = await tools.api.ready();
    if (tenure !== this.#tenure) return;
    const problem = result.ok ? undefined : `the API server is not ready: ${result.reason}`;
    if (problem !== undefined || this.#state.failing.has('readyz')) this.#input({ kind: 'api', path: 'readyz', problem });
    this.#probe = clock.at(clock.now() + READY_MS, () => void this.#askReady(tenure));
  }

  #tick(): void {
    this.#input({ kind: 'tick', wallMs: this.#options.wallMs() });
  }

  #input(input: ControllerInput): void {
    const { outputs } = controller.step(this.#state, input, this.#options.clock.now());
    this.#waker.arm(controller.wakeAt(this.#state));
    for (const output of outputs) this.#carryOut(output);
  }

  #carryOut(output: ControllerOutput): void {
    const changes = output.kind === 'write' || output.kind === 'run' || output.kind === 'take-back';
    if (changes && !this.#options.mayAct()) return this.setActive(false);
    switch (output.kind) {
      case 'tell':
        return this.#options.onNews(output);
      case 'cancel':
        this.#runs.get(output.node)?.cancel();
        return;
      case 'look-at-etcd':
        return void this.#options.lookAtEtcd().then((look) => this.#input({ kind: 'etcd', look }));
      case 'write':
        return void this.#write(output);
      case 'run':
        return void this.#run(output);
      default:
        return void this.#takeBack(output);
    }
  }

  async #write({ node, version, record, history }: Extract<ControllerOutput, { kind: 'write' }>): Promise<void> {
    const annotations = { [REMEDY]: encodeRemedy(record), ...(history === undefined ? {} : { [HISTORY]: encodeHistory(history) }) };
    const result = await this.#options.tools.api.changeNode(node, { annotations, version });
    this.#input({ kind: 'written', node, now: result.kind === 'changed' ? result.node : undefined });
  }

  async #run(output: Extract<ControllerOutput, { kind: 'run' }>): Promise<void> {
    const { node, step, record, isSilent } = output;
    const { mayAct } = this.#options;
    const result = await this.#perform({ node, step, record, isSilent, mayAct });
    this.#options.onNews({ kind: 'step', output, result });
    this.#input({ kind: 'step-ended', node: node.name, step, startedAtMs: record.startedAtMs, result });
  }

  async #perform(job: Parameters<typeof runStep>[0]): Promise<StepResult> {
    if (this.#state.config.dryRun) return { kind: 'done' };
    const { name } = job.node;
    const before = this.#runs.get(name);
    // One that was told to stop, and has not yet: the same host is not worked on twice at once.
    if (before !== undefined) return { kind: 'failed', reason: 'the step before has not ended yet' };
    const run = runStep(job, { ...this.#options.tools, drain: this.#state.config.policy.drain });
    this.#runs.set(name, run);
    try {
      return await run.ended;
    } catch (error) {
      if (error instanceof HaleError) return { kind: 'failed', reason: error.message };
      throw error;
    } finally {
      this.#runs.delete(name);
    }
  }

  async #takeBack(output: Extract<ControllerOutput, { kind: 'take-back' }>): Promise<void> {
    const { node, record } = output;
    const result = this.#state.config.dryRun ? { ok: true as const } : await takeRemedyBack(this.#options.tools.api, node.name, record);
    const problem = result.ok ? undefined : result.reason;
    this.#options.onNews({ kind: 'taken-back', output, problem });
    this.#input({ kind: 'taken-back', node: node.name, problem });
  }
}
