import type { HealRule } from '../../../src/core/cluster/heal.ts';
import { controller, createController } from '../../../src/core/heal/controller.ts';
import type { NodeFacts } from '../../../src/core/heal/facts.ts';
import { encodeHistory, encodeRemedy, HISTORY, REMEDY } from '../../../src/core/heal/record.ts';
import type { ControllerInput, ControllerOutput, ControllerState } from '../../../src/core/heal/state.ts';
import { DEADLOCK, policy, SILENT, WALL_MS } from './facts.ts';

export type Write = Extract<ControllerOutput, { kind: 'write' }>;
export type Run = Extract<ControllerOutput, { kind: 'run' }>;

/** A controller over nodes that are as they are written, with kubelets that renew unless they are silent. */
export class Story {
  readonly state: ControllerState;
  now = 0;
  version = 1000;
  readonly nodes = new Map<string, NodeFacts>();
  readonly silent = new Set<string>();
  outputs: ControllerOutput[] = [];

  constructor(nodes: readonly NodeFacts[], options: { rules?: HealRule[]; policy?: Record<string, unknown>; dryRun?: boolean } = {}) {
    const { rules = [DEADLOCK, SILENT], dryRun = false } = options;
    this.state = createController({ config: { policy: policy(options.policy ?? {}), rules, dryRun }, now: 0, wallMs: WALL_MS });
    for (const one of nodes) this.nodes.set(one.name, one);
    this.activate();
  }

  activate(): void {
    this.tell({ kind: 'active', active: true });
    this.tell({ kind: 'nodes', items: [...this.nodes.values()] });
    this.tell({ kind: 'heartbeats', items: this.beats() });
  }

  beats() {
    return [...this.nodes.keys()].map((name) => ({ node: name, renewedAtMs: this.silent.has(name) ? 1 : this.now + 2 }));
  }

  tell(input: ControllerInput): ControllerOutput[] {
    const { outputs } = controller.step(this.state, input, this.now);
    this.outputs.push(...outputs);
    return outputs;
  }

  /** Time goes by, second by second; what was asked for within it. */
  pass(seconds: number): ControllerOutput[] {
    const from = this.outputs.length;
    for (let i = 0; i < seconds; i++) {
      this.now += 1000;
      if (this.now % 10_000 === 0) for (const item of this.beats()) if (!this.silent.has(item.node)) this.tell({ kind: 'heartbeat', item });
      this.tell({ kind: 'tick', wallMs: WALL_MS + this.now });
    }
    return this.outputs.slice(from);
  }

  /** As the watch brings it. */
  change(name: string, over: Partial<NodeFacts>): NodeFacts {
    const item = { ...(this.nodes.get(name) as NodeFacts), ...over, version: String(++this.version) };
    this.nodes.set(name, item);
    this.tell({ kind: 'node', item });
    return item;
  }

  /** The write is done, and answered. */
  written(write: Write): void {
    const before = this.nodes.get(write.node) as NodeFacts;
    const history = write.history === undefined ? {} : { [HISTORY]: encodeHistory(write.history) };
    const annotations = { ...before.annotations, [REMEDY]: encodeRemedy(write.record), ...history };
    const now = { ...before, annotations, version: String(++this.version) };
    this.nodes.set(write.node, now);
    this.tell({ kind: 'written', node: write.node, now });
  }

  ended({ node: { name }, step, record: { startedAtMs } }: Run, result: Extract<ControllerInput, { kind: 'step-ended' }>['result']): void {
    this.tell({ kind: 'step-ended', node: name, step, startedAtMs, result });
  }
}
