/** What a controller takes in of the nodes and of its way to the API; nothing is decided here. */
import type { Heartbeat, NodeFacts } from './facts.ts';
import { signalsOf } from './plan.ts';
import { HISTORY, REMEDY } from './record.ts';
import { isHealthy, noteFacts, noteHeartbeat, type Seen } from './sight.ts';
import type { ApiPath, ControllerConfig, ControllerInput, ControllerOutput, ControllerState, Shadow } from './state.ts';

/** After news, so that what comes together is decided together. */
const NEWS_MS = 50;
/** A watch that is taken up again sooner lost nothing that matters. */
export const DEGRADED_AFTER_MS = 5000;
/** How long a controller only looks when it begins, or sees again: until it has seen which nodes are silent for longer than usual. */
export const SETTLE_MS = 20_000;

export interface Turn {
  state: ControllerState;
  now: number;
  outputs: ControllerOutput[];
}

/** What is seen while another one is active may be old by the time it is needed: a controller that becomes active begins to look anew. */
export function setActive({ state, now, outputs }: Turn, { active }: { active: boolean }): void {
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

export function setConfig(turn: Turn, config: ControllerConfig): void {
  const { state, now } = turn;
  state.config = config;
  for (const seen of state.seen.values()) {
    // Signals that are new count from now; those of before go on.
    noteFacts(seen, seen.facts, { signals: signalsOf(config.rules), now });
  }
  soon(turn);
}

export function receiveNodes(turn: Turn, input: Extract<ControllerInput, { kind: 'nodes' | 'node' | 'node-gone' }>): void {
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

export function noteNode(turn: Turn, facts: NodeFacts, { isList = false } = {}): void {
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

export function noteHealth(seen: Seen, context: { signals: ReturnType<typeof signalsOf>; now: number }): void {
  if (!isHealthy(seen, context)) seen.healthySince = undefined;
  else seen.healthySince ??= context.now;
}

function forget({ state, outputs }: Turn, name: string): void {
  if (state.running.delete(name)) outputs.push({ kind: 'cancel', node: name });
  for (const held of [state.seen, state.retryAt, state.told, state.shadow, state.beginning, state.done]) held.delete(name);
  state.writing.delete(name);
}

export function receiveHeartbeat({ state, now }: Turn, beat: Heartbeat): void {
  const seen = state.seen.get(beat.node);
  if (seen !== undefined) noteHeartbeat(seen, beat, now);
}

export function receiveApi(turn: Turn, path: ApiPath, problem: string | undefined): void {
  const { state, now } = turn;
  if (problem === undefined) state.failing.delete(path);
  else state.failing.set(path, { at: state.failing.get(path)?.at ?? now, reason: problem });
  soon(turn);
}

/** Why the API cannot be relied on, once that has gone on for a while. */
export function degradedBy({ failing }: ControllerState, now: number): string | undefined {
  const reasons = [...failing.values()].filter(({ at }) => now - at >= DEGRADED_AFTER_MS).map(({ reason }) => reason);
  return reasons.length === 0 ? undefined : `the API is degraded for this controller: ${reasons.join('; ')}`;
}

export function soon({ state, now }: Turn): void {
  state.nextAt = Math.min(state.nextAt, now + NEWS_MS);
}

/** In a dry run what would stand in the nodes stands only here; everything else is decided alike. */
export function cast({ state }: Turn, node: string, change: Shadow): void {
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
