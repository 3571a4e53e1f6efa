import { BRAKES } from '../../core/heal/brakes.ts';
import type { NodeFacts } from '../../core/heal/facts.ts';
import type { Plan, Verdict } from '../../core/heal/plan.ts';
import { verdictText } from '../../core/heal/words.ts';
import type { HealNews } from '../../engine/heal/controller.ts';
import type { Log } from '../../ports/log.ts';
import type { NodeApi, NodeEvent } from '../../ports/node-api.ts';
import { refreshProcess } from '../metrics.ts';
import type { HealMetrics } from './metrics.ts';

export interface ReportOptions {
  api: Pick<NodeApi, 'record'>;
  log: Log;
  metrics: HealMetrics;
  dryRun: boolean;
}

/** Words of Events (`reason`), by what there is to say. */
const REASONS: Partial<Record<Verdict['kind'], string>> = {
  begin: 'RemedyBegun',
  refused: 'RemedyRefused',
  held: 'RemedyHeld',
  'out-of-patience': 'RemedyFailed',
  failed: 'RemedyFailed',
};

/** Tells everywhere what the controller decides and does: log, metrics, and Events of the node. */
export class HealReport {
  readonly #options: ReportOptions;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  tell(news: HealNews): void {
    if (news.kind === 'tell') return this.#verdict(news.node, news.verdict);
    const { metrics, log, dryRun } = this.#options;
    if (news.kind === 'step') {
      const { node, step } = news.output;
      const { kind } = news.result;
      const reason = 'reason' in news.result ? news.result.reason : '';
      metrics.steps.inc({ step, result: kind });
      const facts = { node: node.name, step, result: kind, ...(reason === '' ? {} : { reason }), ...(dryRun ? { dryRun } : {}) };
      if (kind === 'done' || kind === 'cancelled') log.info(facts, 'step ended');
      else log.warn(facts, 'step failed');
      if (kind !== 'cancelled')
        this.#event(node, {
          type: kind === 'done' ? 'Normal' : 'Warning',
          reason: kind === 'done' ? 'StepDone' : 'StepFailed',
          action: camel(step),
          note: reason === '' ? `${step}: done` : `${step}: ${reason}`,
        });
      return;
    }
    const { node, record } = news.output;
    if (news.problem !== undefined)
      return log.warn({ node: node.name, reason: news.problem }, 'what was set on a node could not be taken back');
    metrics.ended.inc({ result: 'recovered' });
    log.info({ node: node.name, rule: record.rule }, 'remedy ended: the node is healthy again');
    this.#event(node, {
      type: 'Normal',
      reason: 'Recovered',
      action: 'TakeBack',
      note: 'it is healthy again: uncordoned, and what hale had set is taken back',
    });
  }

  /** Gauges, as of now. */
  refresh({ verdicts, total, healthy }: Plan, { isActive }: { isActive: boolean }): void {
    const { metrics } = this.#options;
    refreshProcess(metrics);
    metrics.active.set(isActive ? 1 : 0);
    metrics.nodes.set(total);
    metrics.healthy.set(healthy);
    const count = (test: (verdict: Verdict) => boolean): number => verdicts.filter(test).length;
    for (const brake of BRAKES)
      metrics.braked.set(
        { brake },
        count((verdict) => 'brake' in verdict && verdict.brake === brake),
      );
    for (const state of ['working', 'waiting', 'failed'])
      metrics.remedies.set(
        { state },
        count((verdict) => 'record' in verdict && verdict.record.state === state),
      );
  }

  #verdict(node: NodeFacts, verdict: Verdict): void {
    const { metrics, log, dryRun } = this.#options;
    const { what, why } = verdictText(verdict);
    const brake = 'brake' in verdict ? { brake: verdict.brake } : {};
    log.info(
      { node: node.name, verdict: verdict.kind, ...brake, what, why, ...(dryRun ? { dryRun } : {}) },
      dryRun ? 'would be' : 'decided',
    );
    if (verdict.kind === 'begin') metrics.begun.inc({ rule: verdict.rule });
    if (verdict.kind === 'out-of-patience') metrics.ended.inc({ result: 'failed' });
    const reason = REASONS[verdict.kind];
    if (reason === undefined) return;
    const type = verdict.kind === 'begin' ? 'Normal' : 'Warning';
    this.#event(node, { type, reason, action: 'Heal', note: `${what}: ${why}` });
  }

  #event({ name, uid }: NodeFacts, event: Omit<NodeEvent, 'node'>): void {
    const { api, log, dryRun } = this.#options;
    if (dryRun) return;
    void api.record({ node: { name, uid }, ...event }).then((result) => {
      if (!result.ok) log.debug({ node: name, reason: result.reason }, 'an Event could not be recorded');
    });
  }
}

/** `power-off` as an Event's action has it. */
function camel(step: string): string {
  return step.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
