/**
 * Ends the Pods of one or more nodes through the eviction API, as many at once as their budgets let it.
 *
 *   waiting --asked--> asked --accepted--> ending --the API no longer has it--> gone
 *                      asked --429--> blocked --its budget allows again, or some time later--> asked
 *
 * A budget is not asked while it is known to allow nothing: it says itself, by the watch, when it allows again. So thousands of Pods behind one budget cost one
 * request each, and not one every few seconds. What it last said may be old, so one of its Pods is tried now and then.
 */
import { unreachable } from '../../../base/assert.ts';
import type { Machine } from '../../machine.ts';
import { type BudgetFacts, podKey, type PodFacts, selects } from '../facts.ts';
import { fateOf } from './sort.ts';
import type { BudgetTrack, DrainAnswer, DrainConfig, DrainInput, DrainOutcome, DrainOutput, DrainState, PodTrack } from './state.ts';

/** As kubectl does it after every 429 (kubectl, pkg/drain/drain.go). */
const PROBE_MS = 5000;
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;
/** What Pods may take to be gone after they were deleted at the deadline, beside their grace. */
const DELETE_MS = 60_000;

export function createDrain(config: DrainConfig, now: number): DrainState {
  return {
    config,
    known: { pods: false, budgets: false },
    startedAt: now,
    deadlineAt: now + config.deadlineMs,
    isDeleting: false,
    pods: new Map(),
    budgets: new Map(),
    budgetsChanged: 0,
    nextAt: now,
    outcome: undefined,
  };
}

interface Turn {
  state: DrainState;
  now: number;
  outputs: DrainOutput[];
}

export const drain: Machine<DrainState, DrainInput, DrainOutput> = {
  step(state, input, now) {
    const turn: Turn = { state, now, outputs: [] };
    if (state.outcome !== undefined) return { state, outputs: [] };
    receive(turn, input);
    if (state.outcome === undefined) goOn(turn);
    state.nextAt = nextOf(state, now);
    return { state, outputs: turn.outputs };
  },

  wakeAt({ outcome, nextAt }) {
    return outcome === undefined ? nextAt : Number.POSITIVE_INFINITY;
  },
};

/** The next time at which something may be asked without news. */
function nextOf({ deadlineAt, pods, budgets }: DrainState, now: number): number {
  let at = deadlineAt;
  for (const { phase, retryAt } of pods.values()) if (phase === 'blocked' && retryAt > now) at = Math.min(at, retryAt);
  for (const { credit, probeAt } of budgets.values()) if (credit <= 0 && probeAt > now) at = Math.min(at, probeAt);
  return at;
}

function receive(turn: Turn, input: DrainInput): void {
  const { state } = turn;
  switch (input.kind) {
    case 'tick':
      return;
    case 'pods':
      return receivePods(turn, input.items);
    case 'pod':
      return notePod(turn, input.item);
    case 'pod-gone':
      return removePod(turn, input.item);
    case 'budgets': {
      state.known.budgets = true;
      const names = new Set(input.items.map(podKey));
      for (const { budget } of state.budgets.values()) if (!names.has(podKey(budget))) removeBudget(turn, budget);
      for (const item of input.items) noteBudget(turn, item);
      return;
    }
    case 'budget':
      return noteBudget(turn, input.item);
    case 'budget-gone':
      return removeBudget(turn, input.item);
    case 'answered':
      return receiveAnswer(turn, input.pod, input.answer);
    case 'cancel':
      return end(turn, { kind: 'cancelled' });
    default:
      unreachable(input);
  }
}

function receivePods(turn: Turn, items: readonly PodFacts[]): void {
  const { state } = turn;
  const isFirst = !state.known.pods;
  state.known.pods = true;
  const mine = items.filter(({ node }) => state.config.nodes.includes(node));
  const fresh = isFirst ? mine : mine.filter((pod) => state.pods.get(podKey(pod))?.pod.uid !== pod.uid);
  const forbidden = fresh.flatMap((pod) => forbiddenOf(pod, state.config));
  if (forbidden.length > 0) return end(turn, { kind: 'forbidden', pods: forbidden });
  const names = new Set(mine.map(podKey));
  for (const [name, { pod }] of state.pods) if (!names.has(name)) removePod(turn, pod);
  for (const pod of mine) notePod(turn, pod);
}

function forbiddenOf(pod: PodFacts, config: DrainConfig) {
  const fate = fateOf(pod, config);
  return fate.kind === 'forbidden' ? [{ pod, why: fate.why }] : [];
}

function notePod(turn: Turn, pod: PodFacts): void {
  const { state, now } = turn;
  if (!state.config.nodes.includes(pod.node)) return;
  const known = state.pods.get(podKey(pod));
  if (known !== undefined && known.pod.uid === pod.uid) known.pod = pod;
  else {
    // Another one has the name: a StatefulSet's, or a static Pod's.
    if (known !== undefined) removePod(turn, known.pod);
    const fate = fateOf(pod, state.config);
    if (fate.kind === 'leave') return;
    // Bound before the cordon was known, or put here by its own: what is not allowed at the beginning is not allowed later.
    if (fate.kind === 'forbidden') return end(turn, { kind: 'forbidden', pods: [{ pod, why: fate.why }] });
    state.pods.set(podKey(pod), { pod, phase: 'waiting', reason: '', retryAt: now, failures: 0, endingAt: now, over: undefined });
  }
  const track = state.pods.get(podKey(pod)) as PodTrack;
  track.over = undefined;
  if (pod.deletionAtMs !== null && track.phase !== 'ending' && track.phase !== 'gone') ending(turn, track);
}

function removePod(turn: Turn, { namespace, name, uid }: PodFacts): void {
  const track = turn.state.pods.get(podKey({ namespace, name }));
  if (track !== undefined && track.pod.uid === uid && track.phase !== 'gone') setPhase(turn, track, 'gone');
}

function noteBudget({ state, now }: Turn, budget: BudgetFacts): void {
  const known = state.budgets.get(podKey(budget));
  // Its controller counts evictions in `disruptedPods`, so what it says now includes those asked before.
  const credit = budget.disruptionsAllowed;
  if (known === undefined || !isSameSelector(known.budget, budget)) state.budgetsChanged += 1;
  if (known === undefined) state.budgets.set(podKey(budget), { budget, credit, probeAt: now });
  else Object.assign(known, { budget, credit });
}

function isSameSelector(a: BudgetFacts, b: BudgetFacts): boolean {
  return JSON.stringify(a.selector) === JSON.stringify(b.selector);
}

function removeBudget({ state }: Turn, budget: BudgetFacts): void {
  if (state.budgets.delete(podKey(budget))) state.budgetsChanged += 1;
}

function goOn(turn: Turn): void {
  const { state, now } = turn;
  if (now >= state.deadlineAt) atDeadline(turn);
  if (state.outcome !== undefined || !state.known.pods || !state.known.budgets) return;
  let onTheWay = 0;
  for (const { phase } of state.pods.values()) if (phase === 'asked' || phase === 'ending') onTheWay += 1;
  for (const track of state.pods.values()) {
    if (onTheWay >= state.config.parallel) break;
    if (!isDue(track, now) || !(state.isDeleting || mayAsk(turn, track))) continue;
    onTheWay += 1;
    ask(turn, track);
  }
  if (![...state.pods.values()].every(({ phase }) => phase === 'gone')) return;
  end(turn, { kind: 'drained', gone: state.pods.size });
}

function isDue({ phase, retryAt }: PodTrack, now: number): boolean {
  return (phase === 'waiting' || phase === 'blocked') && now >= retryAt;
}

/** Whether every budget over the Pod has credit, which is then used up; or one that has none may be tried again. */
function mayAsk(turn: Turn, track: PodTrack): boolean {
  const over = budgetsOver(turn.state, track).filter(({ budget }) => needsCredit(track.pod, budget));
  const empty = over.filter(({ credit }) => credit <= 0);
  if (empty.some(({ probeAt }) => probeAt > turn.now)) {
    const [first] = empty as [BudgetTrack];
    if (track.phase === 'waiting') setPhase(turn, track, 'blocked', budgetText(first.budget));
    return false;
  }
  for (const one of over) {
    one.credit -= 1;
    if (one.credit <= 0) one.probeAt = turn.now + PROBE_MS;
  }
  return true;
}

/** A Pod that is not ready takes nothing from a budget that is kept without it, or that never minds (eviction.go: IfHealthyBudget, AlwaysAllow). */
function needsCredit({ isReady }: PodFacts, { unhealthyPods, currentHealthy, desiredHealthy }: BudgetFacts): boolean {
  if (isReady) return true;
  return unhealthyPods === 'IfHealthyBudget' && (currentHealthy < desiredHealthy || desiredHealthy === 0);
}

/** A Pod that has ended is under no budget (kubernetes, registry/core/pod/storage/eviction.go), nor is one that is not running yet. */
function budgetsOver(state: DrainState, track: PodTrack): readonly BudgetTrack[] {
  if (track.over?.as === state.budgetsChanged) return track.over.budgets;
  const { namespace, labels, phase } = track.pod;
  const isUnder = ({ budget }: BudgetTrack) => budget.namespace === namespace && selects(budget.selector, labels);
  const budgets = phase === 'Running' ? [...state.budgets.values()].filter(isUnder) : [];
  track.over = { budgets, as: state.budgetsChanged };
  return budgets;
}

export function budgetText({ namespace, name, currentHealthy, desiredHealthy }: BudgetFacts): string {
  return `PodDisruptionBudget ${namespace}/${name} allows none now: ${currentHealthy} healthy, ${desiredHealthy} needed`;
}

function ask(turn: Turn, track: PodTrack): void {
  const { state, outputs } = turn;
  const { graceSeconds } = state.config;
  setPhase(turn, track, 'asked');
  outputs.push({ kind: state.isDeleting ? 'delete' : 'evict', pod: track.pod, graceSeconds });
}

function receiveAnswer(turn: Turn, pod: PodFacts, answer: DrainAnswer): void {
  const { state, now } = turn;
  const track = state.pods.get(podKey(pod));
  if (track === undefined || track.pod.uid !== pod.uid || track.phase !== 'asked') return;
  if (answer.kind === 'accepted') return ending(turn, track);
  if (answer.kind === 'gone') return setPhase(turn, track, 'gone');
  if (answer.kind === 'blocked') {
    for (const one of budgetsOver(state, track)) Object.assign(one, { credit: 0, probeAt: now + PROBE_MS });
    const isExplained = budgetsOver(state, track).some(({ budget }) => needsCredit(track.pod, budget));
    // A budget that this drain does not know of yet gives no sign when it allows again.
    track.retryAt = now + (answer.retryAfterMs ?? (isExplained ? 0 : PROBE_MS));
  } else {
    track.retryAt = now + Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** track.failures);
    track.failures += 1;
  }
  setPhase(turn, track, 'blocked', answer.reason);
}

function ending(turn: Turn, track: PodTrack): void {
  track.endingAt = turn.now;
  const isSilent = turn.state.config.silent.includes(track.pod.node);
  setPhase(turn, track, isSilent ? 'gone' : 'ending');
}

function setPhase({ outputs }: Turn, track: PodTrack, phase: PodTrack['phase'], reason = ''): void {
  const isNews = track.phase !== phase || track.reason !== reason;
  Object.assign(track, { phase, reason });
  if (isNews) outputs.push({ kind: 'progress', pod: track.pod, phase, reason });
}

function atDeadline(turn: Turn): void {
  const { state, now } = turn;
  // What waits for a budget tells more than what is on its way.
  const left = [...state.pods.values()]
    .filter(({ phase }) => phase !== 'gone')
    .toSorted((a, b) => Number(a.reason === '') - Number(b.reason === ''));
  if (left.length === 0) return;
  if (state.config.atDeadline === 'give-up' || state.isDeleting) {
    return end(turn, { kind: 'deadline', left: left.map(({ pod, phase, reason }) => ({ pod, phase, reason })) });
  }
  state.isDeleting = true;
  const graceSeconds = Math.max(...left.map(({ pod }) => state.config.graceSeconds ?? pod.graceSeconds));
  state.deadlineAt = now + graceSeconds * 1000 + DELETE_MS;
  for (const track of left) if (track.phase === 'blocked') track.retryAt = now;
}

function end(turn: Turn, outcome: DrainOutcome): void {
  turn.state.outcome = outcome;
  turn.outputs.push({ kind: 'ended', outcome });
}
