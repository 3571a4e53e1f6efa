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
import type { Heartbeat, NodeFacts } from './facts.ts';
import { isControlPlane } from './facts.ts';
import { type Plan, planHeal, signalsOf, type Verdict } from './plan.ts';
import { encodeHistory, encodeRemedy, HISTORY, historyOf, progressed, REMEDY, type RemedyRecord, remedyOf, stepOf } from './record.ts';
import { beginAnew, isHealthy, isUp, noteFacts, noteHeartbeat, type Seen } from './sight.ts';
import type { ApiPath, ControllerConfig, ControllerInput, ControllerOutput, ControllerState, Shadow } from './state.ts';

/** Between two plans when nothing happens, and after something did. */
const TICK_MS = 1000;
const NEWS_MS = 50;
/** A watch that is taken up again sooner lost nothing that matters. */
const DEGRADED_AFTER_MS = 5000;
/** How long a controller only looks when it begins, or sees again: until it has seen which nodes are silent for longer than usual. */
const SETTLE_MS = 20_000;
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

interface Turn {
  state: ControllerState;
  now: number;
  outputs: ControllerOutput[];
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
      return setActive(turn, input.active);
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

/** What is seen while another one is active may be old by the time it is needed: a controller that becomes active begins to look anew. */
function setActive({ state, now, outputs }: Turn, active: boolean): void {
  if (active === state.active) return;
  for (const node of state.running.keys()) outputs.push({ kind: 'cancel', node });
  state.running.clear();
  for (const held of [state.seen, state.failing, state.retryAt, state.told, state.beginning, state.done]) held.clear();
  state.writing.clear();
  Object.assign(state, {
    active,
    known: { nodes: false, heartbeats: false },
    settledAt: now + SETTLE_MS,
    etcd: undefined,
    wasDegraded: false,
    wereFewHealthy: false,
    decidedAt: undefined,
    nextAt: now,
  });
}

function setConfig(turn: Turn, config: ControllerConfig): void {
  const { state, now } = turn;
  state.config = config;
  for (const seen of state.seen.values()) {
    // Signals that are new count from now; those of before go on.
    noteFacts(seen, seen.facts, { signals: signalsOf(config.rules), now });
  }
  soon(turn);
}

function receiveNodes(turn: Turn, input: Extract<ControllerInput, { kind: 'nodes' | 'node' | 'node-gone' }>): void {
  const { state } = turn;
  if (input.kind === 'node') noteNode(turn, input.item);
  else if (input.kind === 'node-gone') forget(turn, input.name);
  else {
    state.known.nodes = true;
    const names = new Set(input.items.map(({ name }) => name));
    for (const name of state.seen.keys()) if (!names.has(name)) forget(turn, name);
    // A list is what there is, also where versions went back because etcd was restored.
    for (const item of input.items) noteNode(turn, item, { isList: true });
  }
  soon(turn);
}

function noteNode(turn: Turn, facts: NodeFacts, { isList = false } = {}): void {
  const { state, now } = turn;
  const signals = signalsOf(state.config.rules);
  // Another one of the same name begins anew: how long the one before was ill says nothing of it.
  if (state.seen.has(facts.name) && state.seen.get(facts.name)?.facts.uid !== facts.uid) forget(turn, facts.name);
  const known = state.seen.get(facts.name);
  // An answer to a write may be newer than what the watch brings after it.
  if (known !== undefined && !isList && isOlder(facts.version, known.facts.version)) return;
  const looks = withShadow(facts, state.shadow.get(facts.name));
  const seen: Seen = known ?? { facts: looks, heartbeat: { renewedAtMs: 0, at: now }, since: new Map(), healthySince: undefined };
  noteFacts(seen, looks, { signals, now });
  state.seen.set(facts.name, seen);
  noteHealth(seen, { signals, now });
}

/** Comparable since Kubernetes 1.35 says so (KEP-5504), and in fact ever since: they are revisions of etcd. */
function isOlder(version: string, than: string): boolean {
  return version.length === than.length ? version < than : version.length < than.length;
}

function noteHealth(seen: Seen, context: { signals: ReturnType<typeof signalsOf>; now: number }): void {
  if (!isHealthy(seen, context)) seen.healthySince = undefined;
  else seen.healthySince ??= context.now;
}

function forget({ state, outputs }: Turn, name: string): void {
  if (state.running.delete(name)) outputs.push({ kind: 'cancel', node: name });
  for (const held of [state.seen, state.retryAt, state.told, state.shadow, state.beginning, state.done]) held.delete(name);
  state.writing.delete(name);
}

function receiveHeartbeat({ state, now }: Turn, beat: Heartbeat): void {
  const seen = state.seen.get(beat.node);
  if (seen !== undefined) noteHeartbeat(seen, beat, now);
}

function receiveApi(turn: Turn, path: ApiPath, problem: string | undefined): void {
  const { state, now } = turn;
  if (problem === undefined) state.failing.delete(path);
  else state.failing.set(path, { at: state.failing.get(path)?.at ?? now, reason: problem });
  soon(turn);
}

/** Why the API cannot be relied on, once that has gone on for a while. */
function degradedBy({ failing }: ControllerState, now: number): string | undefined {
  const reasons = [...failing.values()].filter(({ at }) => now - at >= DEGRADED_AFTER_MS).map(({ reason }) => reason);
  return reasons.length === 0 ? undefined : `the API is degraded for this controller: ${reasons.join('; ')}`;
}

function soon({ state, now }: Turn): void {
  state.nextAt = Math.min(state.nextAt, now + NEWS_MS);
}

/** In a dry run what would stand in the nodes stands only here; everything else is decided alike. */
function cast({ state }: Turn, node: string, change: Shadow): void {
  const seen = state.seen.get(node);
  if (!state.config.dryRun || seen === undefined) return;
  const shadow = { ...state.shadow.get(node), ...change };
  state.shadow.set(node, shadow);
  seen.facts = withShadow(seen.facts, shadow);
}

function withShadow(facts: NodeFacts, shadow: Shadow | undefined): NodeFacts {
  if (shadow === undefined) return facts;
  const { [REMEDY]: _remedy, [HISTORY]: history = '', ...annotations } = facts.annotations;
  const remedy = shadow.remedy === undefined ? {} : { [REMEDY]: shadow.remedy };
  return { ...facts, annotations: { ...annotations, ...remedy, [HISTORY]: shadow.history ?? history } };
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
  outputs.push({ kind: 'run', node: facts, step, record, isSilent: !isUp(seen, now) });
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
