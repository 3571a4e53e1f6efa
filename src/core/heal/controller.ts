/**
 * Decides what is done to nodes, and when: takes in what the API says of them, asks `planHeal`, and hands out one step at a time.
 *
 *   healthy --signal for long enough, no brake--> working --last step done--> waiting --healthy for long enough--> healthy
 *   working | waiting --healthy again--> healthy          working --stuck--> failed          waiting --no patience left--> failed
 *   failed --healthy again--> healthy                      failed --back-off over, signal still there--> working
 *
 * The state of a remedy is in the node itself (record.ts), and is written before what it says is done: a controller that takes over goes on from there. Each step
 * can therefore be carried out twice.
 */
import { unreachable } from '../../base/assert.ts';
import type { HealStep } from '../cluster/heal.ts';
import type { Machine } from '../machine.ts';
import { isControlPlane, type NodeFacts } from './facts.ts';
import {
  cast,
  DEGRADED_AFTER_MS,
  degradedBy,
  noteHealth,
  noteNode,
  receiveApi,
  receiveHeartbeat,
  receiveNodes,
  setActive,
  setConfig,
  SETTLE_MS,
  soon,
  type Turn,
} from './observe.ts';
import { type Plan, planHeal, signalsOf, type Verdict } from './plan.ts';
import { encodeHistory, encodeRemedy, historyOf, progressed, type RemedyRecord, remedyOf, stepOf } from './record.ts';
import { beginAnew, isQuiet, type Seen } from './sight.ts';
import type { ControllerConfig, ControllerInput, ControllerOutput, ControllerState } from './state.ts';

/** Between two plans when nothing happens. */
const TICK_MS = 1000;
/** While a control-plane host is at stake etcd is asked this often, and an answer counts for so long; what carries out a step that stops the host asks once more. */
const ETCD_ASK_MS = 5000;
const ETCD_COUNTS_MS = 15_000;
const RETRY_MIN_MS = 10_000;
const RETRY_MAX_MS = 300_000;
/** After a write that came too late, or failed. */
const WRITE_AGAIN_MS = 1000;
/** How long a write that failed may still come about, and show. */
const WRITE_SHOWS_MS = 10_000;

export function createController(options: { config: ControllerConfig; now: number; wallMs: number }): ControllerState {
  const { config, now, wallMs } = options;
  return {
    config,
    active: false,
    wallOffsetMs: wallMs - now,
    seen: new Map(),
    known: { nodes: false, heartbeats: false },
    failing: new Map(),
    wasDegraded: false,
    wereFewHealthy: false,
    settledAt: now + SETTLE_MS,
    paused: undefined,
    etcd: undefined,
    etcdAskedAt: Number.NEGATIVE_INFINITY,
    running: new Map(),
    writing: new Set(),
    beginning: new Map(),
    done: new Map(),
    decidedAt: undefined,
    retryAt: new Map(),
    shadow: new Map(),
    told: new Map(),
    nextAt: now,
  };
}

export const controller: Machine<ControllerState, ControllerInput, ControllerOutput> = {
  step(state, input, now) {
    const turn: Turn = { state, now, outputs: [] };
    receive(turn, input);
    if (state.active && now >= state.nextAt) decide(turn);
    return { state, outputs: turn.outputs };
  },

  wakeAt({ active, nextAt }) {
    return active ? nextAt : Number.POSITIVE_INFINITY;
  },
};

/** As of now, for people: the same that the controller acts on. */
export function planOf(state: ControllerState, now: number): Plan {
  const { config, wallOffsetMs, paused, seen } = state;
  const etcd = state.etcd !== undefined && now - state.etcd.at < ETCD_COUNTS_MS ? state.etcd.look : undefined;
  const situation = { wallMs: now + wallOffsetMs, paused, degraded: degradedBy(state, now), settlingMs: state.settledAt - now, etcd };
  const beginning = new Set([...state.beginning].filter(([, until]) => now < until).map(([node]) => node));
  return planHeal({ policy: config.policy, rules: config.rules, situation, seen, beginning, now });
}

function receive(turn: Turn, input: ControllerInput): void {
  const { state, now } = turn;
  switch (input.kind) {
    case 'tick':
      state.wallOffsetMs = input.wallMs - now;
      return;
    case 'active':
      return setActive(turn, input);
    case 'policy':
      return setConfig(turn, input.config);
    case 'paused':
      state.paused = input.by;
      return soon(turn);
    case 'nodes':
    case 'node':
    case 'node-gone':
      return receiveNodes(turn, input);
    case 'heartbeats':
      state.known.heartbeats = true;
      for (const item of input.items) receiveHeartbeat(turn, item);
      return soon(turn);
    case 'heartbeat':
      return receiveHeartbeat(turn, input.item);
    case 'api':
      return receiveApi(turn, input.path, input.problem);
    case 'etcd':
      state.etcd = { look: input.look, at: now };
      return soon(turn);
    case 'written':
      state.writing.delete(input.node);
      if (input.now === undefined) {
        state.retryAt.set(input.node, Math.max(state.retryAt.get(input.node) ?? 0, now + WRITE_AGAIN_MS));
        if (state.beginning.has(input.node)) state.beginning.set(input.node, now + WRITE_SHOWS_MS);
      } else {
        state.beginning.delete(input.node);
        noteNode(turn, input.now);
      }
      return soon(turn);
    case 'step-ended':
      return receiveStep(turn, input);
    case 'taken-back':
      state.writing.delete(input.node);
      if (input.problem === undefined) cast(turn, input.node, { remedy: undefined });
      // Also when it was: the watch may bring that later.
      state.retryAt.set(input.node, now + WRITE_AGAIN_MS);
      return soon(turn);
    default:
      unreachable(input);
  }
}

function decide(turn: Turn): void {
  const { state, now } = turn;
  state.nextAt = now + TICK_MS;
  if (!state.known.nodes || !state.known.heartbeats) return;
  seeAgain(turn);
  const signals = signalsOf(state.config.rules);
  for (const seen of state.seen.values()) noteHealth(seen, { signals, now });
  const { verdicts } = planAnew(turn);
  for (const verdict of verdicts) act(turn, state.seen.get(verdict.node) as Seen, verdict);
  const sick = new Set(verdicts.map(({ node }) => node));
  for (const node of state.told.keys()) if (!sick.has(node)) state.told.delete(node);
  if (verdicts.some((verdict) => wantsEtcd(state, verdict)) && now - state.etcdAskedAt >= ETCD_ASK_MS) {
    state.etcdAskedAt = now;
    turn.outputs.push({ kind: 'look-at-etcd' });
  }
}

/** When enough nodes are healthy again the others come back as well, one after the other: those that are last are not ill for all that time. */
function planAnew({ state, now }: Turn): Plan {
  const plan = planOf(state, now);
  const isOver = state.wereFewHealthy && !plan.areFewHealthy;
  state.wereFewHealthy = plan.areFewHealthy;
  if (!isOver) return plan;
  startAnew(state, now);
  return planOf(state, now);
}

function startAnew(state: ControllerState, now: number): void {
  for (const seen of state.seen.values()) beginAnew(seen, now);
  state.settledAt = now + SETTLE_MS;
}

/** After a time in which nothing could be relied on, everything counts anew. */
function seeAgain({ state, now }: Turn): void {
  const isDegraded = degradedBy(state, now) !== undefined;
  // It decides every second: when it did not, its host stood still, and it saw no more than with a broken watch.
  const stoodStill = state.decidedAt !== undefined && now - state.decidedAt >= DEGRADED_AFTER_MS;
  state.decidedAt = now;
  if ((state.wasDegraded && !isDegraded) || stoodStill) startAnew(state, now);
  state.wasDegraded = isDegraded;
}

function wantsEtcd({ seen }: ControllerState, verdict: Verdict): boolean {
  if (!isControlPlane((seen.get(verdict.node) as Seen).facts)) return false;
  return verdict.kind === 'refused' || verdict.kind === 'held' ? verdict.brake.startsWith('etcd-') : verdict.kind === 'step';
}

function act(turn: Turn, seen: Seen, verdict: Verdict): void {
  const { state, now, outputs } = turn;
  const { facts } = seen;
  const node = facts.name;
  tell(turn, facts, verdict);
  if (verdict.kind !== 'step' && state.running.delete(node)) outputs.push({ kind: 'cancel', node });
  if (state.writing.has(node) || state.running.has(node) || now < (state.retryAt.get(node) ?? 0)) return;
  if (verdict.kind === 'begin') return begin(turn, facts, verdict);
  if (verdict.kind === 'step') return run(turn, seen, verdict);
  if (verdict.kind === 'out-of-patience') return write(turn, facts, { ...verdict.record, state: 'failed', problem: verdict.problem });
  if (verdict.kind !== 'recovered') return;
  state.writing.add(node);
  outputs.push({ kind: 'take-back', node: facts, record: verdict.record });
}

/** News only: times that run down in words are none. */
function tell({ state, outputs }: Turn, node: NodeFacts, verdict: Verdict): void {
  const key = JSON.stringify([
    verdict.kind,
    'rule' in verdict && verdict.rule,
    'brake' in verdict && verdict.brake,
    'step' in verdict && verdict.step,
  ]);
  if (state.told.get(node.name) === key) return;
  state.told.set(node.name, key);
  if (verdict.kind !== 'healthy') outputs.push({ kind: 'tell', node, verdict });
}

function begin(turn: Turn, facts: NodeFacts, { rule, why, steps }: Extract<Verdict, { kind: 'begin' }>): void {
  const wallMs = turn.now + turn.state.wallOffsetMs;
  // Of one that failed: what it set is still there, and this one takes it back.
  const before = remedyOf(facts);
  const record: RemedyRecord = {
    rule,
    why,
    startedAtMs: wallMs,
    steps,
    step: 0,
    stepAtMs: wallMs,
    failures: 0,
    state: 'working',
    problem: '',
    cordoned: before?.cordoned === true || steps.includes('cordon') || steps.includes('drain'),
    tainted: before?.tainted === true,
    bootId: facts.bootId,
  };
  turn.state.beginning.set(facts.name, Number.POSITIVE_INFINITY);
  write(turn, facts, record, [...historyOf(facts, wallMs), wallMs]);
}

function run(turn: Turn, seen: Seen, { step, record }: { step: HealStep; record: RemedyRecord }): void {
  const { state, outputs, now } = turn;
  const { facts } = seen;
  // Said before it is done, so that whoever takes over takes it back.
  if (step === 'out-of-service' && !record.tainted) return write(turn, facts, { ...record, tainted: true });
  const done = state.done.get(facts.name);
  if (done?.startedAtMs === record.startedAtMs && done.step === record.step)
    return write(turn, facts, progressed(record, now + state.wallOffsetMs));
  state.running.set(facts.name, step);
  outputs.push({ kind: 'run', node: facts, step, record, isSilent: isQuiet(seen, now) });
}

function write(turn: Turn, facts: NodeFacts, record: RemedyRecord, history?: readonly number[]): void {
  const { state, outputs } = turn;
  if (state.config.dryRun) {
    state.beginning.delete(facts.name);
    cast(turn, facts.name, { remedy: encodeRemedy(record), ...(history === undefined ? {} : { history: encodeHistory(history) }) });
    return soon(turn);
  }
  state.writing.add(facts.name);
  outputs.push({ kind: 'write', node: facts.name, version: facts.version, record, ...(history === undefined ? {} : { history }) });
}

function receiveStep(turn: Turn, { node, step, startedAtMs, result }: Extract<ControllerInput, { kind: 'step-ended' }>): void {
  const { state, now } = turn;
  const seen = state.seen.get(node);
  const isOurs = state.running.get(node) === step && state.running.delete(node);
  const record = seen && remedyOf(seen.facts);
  soon(turn);
  if (seen === undefined || record?.startedAtMs !== startedAtMs || stepOf(record) !== step) return;
  // Also where it was to be stopped, and could not: it is not done again when the remedy goes on.
  if (result.kind === 'done') state.done.set(node, { startedAtMs, step: record.step });
  if (!isOurs || result.kind === 'cancelled') return;
  if (result.kind === 'done') return write(turn, seen.facts, progressed(record, now + state.wallOffsetMs));
  const failures = record.failures + 1;
  state.retryAt.set(node, now + Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** (failures - 1)));
  write(turn, seen.facts, {
    ...record,
    failures,
    problem: result.reason,
    ...(result.kind === 'stuck' ? { state: 'failed' as const } : {}),
  });
}
