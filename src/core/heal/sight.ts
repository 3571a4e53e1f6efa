import type { HealSignal } from '../cluster/heal.ts';
import { conditionOf, type Heartbeat, type NodeFacts } from './facts.ts';
import { HEARTBEAT_MS } from './policy.ts';

/*
 * What a controller has seen of the nodes, by its own clock. Only what it saw itself counts: times that others wrote may be of clocks
 * that are wrong, and a change that is older than this controller says nothing of what was between.
 */

export interface Seen {
  facts: NodeFacts;
  /** The renewal last heard of, and when that was new; the start of the watch where none was seen yet. */
  heartbeat: { renewedAtMs: number; at: number };
  /** Since when each signal of the policy holds, by its place in it. */
  since: Map<string, number>;
  /** Since when nothing is wrong with the node; undefined while something is. */
  healthySince: number | undefined;
}

/** A signal as one key: rules that name the same one share what was seen of it. */
export function signalKey({ condition, status, taint, heartbeat }: HealSignal): string {
  if (condition !== undefined) return `${condition}=${(status ?? []).join('|')}`;
  return taint === undefined ? `heartbeat ${heartbeat}` : `taint ${taint}`;
}

export function signalText({ condition, status, taint }: HealSignal): string {
  if (condition !== undefined) return `${condition} is ${(status ?? []).join(' or ')}`;
  return taint === undefined ? 'its heartbeat is missing' : `it has the taint ${taint}`;
}

/** A kubelet renews every 10 s, and not to the moment. */
const USUAL_SILENCE_MS = 15_000;

/** Silent for longer than usual. That makes nobody ill yet, but nobody counts on the node either: half of the nodes that fall silent do so within ten seconds. */
export function isQuiet({ heartbeat }: Seen, now: number): boolean {
  return now - heartbeat.at >= USUAL_SILENCE_MS;
}

/** How long the signal has held, in ms; undefined when it does not. */
export function heldForMs(signal: HealSignal, seen: Seen, now: number): number | undefined {
  if (signal.heartbeat !== undefined) {
    const silentMs = now - seen.heartbeat.at;
    return silentMs >= Math.min(USUAL_SILENCE_MS, signal.forSeconds * 1000) ? silentMs : undefined;
  }
  const since = seen.since.get(signalKey(signal));
  return since === undefined ? undefined : now - since;
}

/** Takes in what the node looks like now. */
export function noteFacts(seen: Seen, facts: NodeFacts, { signals, now }: { signals: readonly HealSignal[]; now: number }): void {
  seen.facts = facts;
  for (const signal of signals) {
    if (signal.heartbeat !== undefined) continue;
    const key = signalKey(signal);
    if (!holds(signal, facts)) seen.since.delete(key);
    else if (!seen.since.has(key)) seen.since.set(key, now);
  }
}

function holds({ condition, status, taint }: HealSignal, facts: NodeFacts): boolean {
  if (taint !== undefined) return facts.taints.some(({ key }) => key === taint);
  const found = conditionOf(facts, condition ?? '');
  return found !== undefined && status?.includes(found.status) === true;
}

/** True when the Lease was renewed since. */
export function noteHeartbeat(seen: Seen, { renewedAtMs }: Heartbeat, now: number): boolean {
  if (seen.heartbeat.renewedAtMs === renewedAtMs) return false;
  seen.heartbeat = { renewedAtMs, at: now };
  return true;
}

/** Nobody knows what was while nothing was seen: everything counts anew. */
export function beginAnew(seen: Seen, now: number): void {
  seen.heartbeat.at = now;
  for (const key of seen.since.keys()) seen.since.set(key, now);
  if (seen.healthySince !== undefined) seen.healthySince = now;
}

/** Ready, with a heartbeat, and none of the signals. */
export function isHealthy(seen: Seen, { signals, now }: { signals: readonly HealSignal[]; now: number }): boolean {
  if (!isUp(seen, now)) return false;
  return signals.every((signal) =>
    signal.heartbeat === undefined ? !seen.since.has(signalKey(signal)) : now - seen.heartbeat.at < signal.forSeconds * 1000,
  );
}

/** Whether the node's kubelet is heard and calls it ready: what counts when nodes are counted. */
export function isUp({ facts, heartbeat }: Seen, now: number): boolean {
  return conditionOf(facts, 'Ready')?.status === 'True' && now - heartbeat.at < HEARTBEAT_MS;
}

/** One look without a past: what others wrote of the times is all there is. */
export function seenByStamps(look: {
  nodes: readonly NodeFacts[];
  heartbeats: readonly Heartbeat[];
  signals: readonly HealSignal[];
  /** Unix time, which is also the clock of what is seen. */
  wallMs: number;
}): Map<string, Seen> {
  const { nodes, heartbeats, signals, wallMs } = look;
  const beats = new Map(heartbeats.map((beat) => [beat.node, beat.renewedAtMs]));
  const past = (time: number | undefined): number => Math.min(wallMs, time ?? wallMs);
  return new Map(
    nodes.map((facts) => {
      const renewedAtMs = beats.get(facts.name) ?? 0;
      const seen: Seen = { facts, heartbeat: { renewedAtMs, at: past(beats.get(facts.name)) }, since: new Map(), healthySince: undefined };
      noteFacts(seen, facts, { signals, now: wallMs });
      for (const signal of signals) {
        const key = signalKey(signal);
        if (seen.since.has(key)) seen.since.set(key, past(conditionOf(facts, signal.condition ?? '')?.changedAtMs));
      }
      if (isHealthy(seen, { signals, now: wallMs })) seen.healthySince = past(conditionOf(facts, 'Ready')?.changedAtMs);
      return [facts.name, seen];
    }),
  );
}
