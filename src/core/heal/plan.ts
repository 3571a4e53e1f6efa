/**
 * What is to be done now, and why not the rest: one look at everything, without memory of its own. `hale heal plan` prints it, and the controller acts on it.
 */
import type { HealPolicy, HealRule, HealSignal, HealStep } from '../cluster/heal.ts';
import {
  begunWithinHour,
  type Brake,
  type Busy,
  clusterBrake,
  controlPlaneBrake,
  durationText,
  halfBrake,
  isBusy,
  nodeBrake,
  type Situation,
} from './brakes.ts';
import type { NodeFacts } from './facts.ts';
import { workedOnBy } from './foreign.ts';
import { boots, HEARTBEAT_MS, isFor, isHarmful } from './policy.ts';
import { type RemedyRecord, remedyOf, stepOf } from './record.ts';
import { heldForMs, isHealthy, isQuiet, type Seen, signalText } from './sight.ts';

/** Beyond the time after which a silent node counts as such. */
const MARGIN_MS = 10_000;

export type Verdict = { node: string } & (
  | { kind: 'healthy' }
  /** A signal holds, and not for long enough. */
  | { kind: 'suspected'; rule: string; why: string; dueInMs: number }
  | { kind: 'begin'; rule: string; why: string; steps: readonly HealStep[] }
  | { kind: 'refused'; rule: string; why: string; brake: Brake; text: string }
  /** The step of the remedy is carried out, or is to be now. */
  | { kind: 'step'; record: RemedyRecord; step: HealStep }
  /** A brake holds the remedy before its next step. */
  | { kind: 'held'; record: RemedyRecord; step: HealStep; brake: Brake; text: string }
  /** All steps are done, or it is healthy again before: until the node has been healthy for long enough, or too long not. */
  | { kind: 'awaited'; record: RemedyRecord; text: string }
  | { kind: 'recovered'; record: RemedyRecord }
  | { kind: 'out-of-patience'; record: RemedyRecord; problem: string }
  | { kind: 'failed'; record: RemedyRecord }
);

export interface Look {
  policy: HealPolicy;
  rules: readonly HealRule[];
  situation: Omit<Situation, 'policy' | 'nodes' | 'healthy'>;
  seen: ReadonlyMap<string, Seen>;
  /** Nodes whose first record is on its way into them, and may be there already: they count as under a remedy. */
  beginning?: ReadonlySet<string>;
  now: number;
}

/** A step that failed so often, for as long as the policy has patience, will not come about by itself. */
const FAILURES_MAX = 5;

export interface Plan {
  /** Of every node that is not healthy, or was not. */
  verdicts: readonly Verdict[];
  total: number;
  healthy: number;
  /** So few that nothing is done, whatever else is in the way. */
  areFewHealthy: boolean;
  /** What forbids everything; absent when nothing does. */
  brake: { brake: Brake; text: string } | undefined;
}

export function signalsOf(rules: readonly HealRule[]): HealSignal[] {
  return rules.flatMap(({ when }) => when);
}

export function planHeal(look: Look): Plan {
  const { seen, rules, now } = look;
  const signals = signalsOf(rules);
  const all = [...seen.values()];
  const nodes = all.map(({ facts }) => facts);
  const sick = all.filter((one) => isQuiet(one, now) || !isHealthy(one, { signals, now }) || remedyOf(one.facts) !== undefined);
  const ill = new Set(sick.map(({ facts }) => facts.name));
  const beginning = nodes.filter((facts) => look.beginning?.has(facts.name) && !isBusy(remedyOf(facts)));
  const healthy = new Set(nodes.map(({ name }) => name).filter((name) => !ill.has(name)));
  const situation: Situation = { ...look.situation, policy: look.policy, nodes, healthy };
  const brake = clusterBrake(situation);
  const busy: Busy = {
    nodes: [...sick.map(({ facts }) => facts).filter((facts) => isBusy(remedyOf(facts))), ...beginning],
    begunWithinHour: begunWithinHour(nodes, situation.wallMs) + beginning.length,
  };
  const turn: Turn = { ...look, situation, brake, busy, signals };
  const working = sick.filter(({ facts }) => isBusy(remedyOf(facts))).map((one) => goOn(one, remedyOf(one.facts) as RemedyRecord, turn));
  const others = sick.filter(({ facts }) => !isBusy(remedyOf(facts))).map((one) => ({ one, due: dueOf(one, turn) }));
  // Who has been ill for longest comes first, where not all may.
  const begun = others.toSorted((a, b) => (b.due?.overMs ?? 0) - (a.due?.overMs ?? 0)).map(({ one, due }) => judge(one, due, turn));
  return {
    verdicts: [...working, ...begun],
    total: all.length,
    healthy: situation.healthy.size,
    areFewHealthy: halfBrake(situation) !== undefined,
    brake,
  };
}

interface Turn extends Omit<Look, 'situation'> {
  situation: Situation;
  brake: Plan['brake'];
  busy: Busy;
  signals: readonly HealSignal[];
}

interface Due {
  rule: HealRule;
  why: string;
  /** By how much longer than demanded the signal has held; negative: not long enough yet. */
  overMs: number;
}

/** Of the first rule that fits, else of the one that will fit first. */
function dueOf(seen: Seen, { rules, now }: Turn): Due | undefined {
  const dues = rules
    .filter((rule) => isFor(rule, seen.facts))
    .flatMap((rule) => rule.when.flatMap((signal) => dueBy(seen, { rule, signal, now })));
  return dues.find(({ overMs }) => overMs >= 0) ?? dues.toSorted((a, b) => b.overMs - a.overMs)[0];
}

function dueBy(seen: Seen, { rule, signal, now }: { rule: HealRule; signal: HealSignal; now: number }): Due[] {
  const heldMs = heldForMs(signal, seen, now);
  if (heldMs === undefined) return [];
  const overMs = heldMs - signal.forSeconds * 1000;
  return [{ rule, why: `${signalText(signal)} for ${durationText(heldMs)}`, overMs }];
}

/** Of a node without a remedy under way: suspect, refused, or to begin with, which then counts for those after it. */
function judge(seen: Seen, due: Due | undefined, turn: Turn): Verdict {
  const { facts } = seen;
  const node = facts.name;
  const record = remedyOf(facts);
  if (record !== undefined && isBack(seen, record, turn)) return recovery(seen, record, turn);
  if (due === undefined) return record === undefined ? { node, kind: 'healthy' } : { node, kind: 'failed', record };
  const { rule, why, overMs } = due;
  if (overMs >= 0 && turn.beginning?.has(node)) return { node, kind: 'begin', rule: rule.name, why, steps: rule.steps };
  if (overMs < 0)
    return record === undefined ? { node, kind: 'suspected', rule: rule.name, why, dueInMs: -overMs } : { node, kind: 'failed', record };
  const refusal = turn.brake ?? nodeBrake(facts, { rule, situation: turn.situation, busy: turn.busy });
  if (refusal !== undefined) return { node, kind: 'refused', rule: rule.name, why, ...refusal };
  turn.busy.nodes.push(facts);
  turn.busy.begunWithinHour += 1;
  return { node, kind: 'begin', rule: rule.name, why, steps: rule.steps };
}

/** Of a node with a remedy under way. */
function goOn(seen: Seen, record: RemedyRecord, turn: Turn): Verdict {
  const { facts } = seen;
  const node = facts.name;
  if (isBack(seen, record, turn)) return recovery(seen, record, turn);
  const step = stepOf(record);
  if (step === undefined) {
    const leftMs = record.stepAtMs + turn.policy.patienceSeconds * 1000 - turn.situation.wallMs;
    if (leftMs > 0)
      return { node, kind: 'awaited', record, text: `all steps are done; it may take ${durationText(leftMs)} more to be healthy` };
    return {
      node,
      kind: 'out-of-patience',
      record,
      problem: `it was not healthy within ${turn.policy.patienceSeconds} s after the last step`,
    };
  }
  const overdueMs = turn.situation.wallMs - record.stepAtMs - turn.policy.patienceSeconds * 1000;
  if (record.failures >= FAILURES_MAX && overdueMs >= 0)
    return { node, kind: 'out-of-patience', record, problem: `${step} failed ${record.failures} times, at last: ${record.problem}` };
  const refusal = isHarmful(step) ? holdOf(facts, turn) : undefined;
  return refusal === undefined ? { node, kind: 'step', record, step } : { node, kind: 'held', record, step, ...refusal };
}

/** What may come up in the middle of a remedy. Limits hold at its beginning only: it counts there itself. */
function holdOf(facts: NodeFacts, turn: Turn): { brake: Brake; text: string } | undefined {
  const by = workedOnBy(facts);
  if (turn.brake !== undefined) return turn.brake;
  if (by !== undefined) return { brake: 'maintenance', text: `somebody else works on it: ${by}` };
  return controlPlaneBrake(facts, turn.situation);
}

/** Whether the node is healthy, and after what it went through: a Ready of before a step that boots says nothing. */
function isBack(seen: Seen, record: RemedyRecord, { signals, now }: Turn): boolean {
  if (!isHealthy(seen, { signals, now })) return false;
  const hasBooted = seen.facts.bootId !== record.bootId;
  return hasBooted || record.state === 'failed' || !record.steps.some((step, i) => boots(step) && i < record.step);
}

function recovery(seen: Seen, record: RemedyRecord, { policy, now }: Turn): Verdict {
  const node = seen.facts.name;
  const by = workedOnBy(seen.facts);
  if (by !== undefined) return { node, kind: 'awaited', record, text: `it is healthy again, but somebody else works on it: ${by}` };
  const step = stepOf(record);
  // Its power may have been cut a moment ago, by a controller that could not say so any more: a host that is off is silent by then.
  const mayBeOff = step !== undefined && boots(step) && seen.facts.bootId === record.bootId;
  const neededMs = Math.max(policy.recoverySeconds * 1000, mayBeOff ? HEARTBEAT_MS + MARGIN_MS : 0);
  const leftMs = (seen.healthySince ?? now) + neededMs - now;
  if (leftMs <= 0) return { node, kind: 'recovered', record };
  return { node, kind: 'awaited', record, text: `it is healthy again; taken back in ${durationText(leftMs)}` };
}
