import type { ViolationKind } from './monitor.ts';
import { runScenario } from './run.ts';
import { GOOD_QUALITY, type Scenario, type ScenarioEvent } from './scenario.ts';
import { writable } from './words.ts';

/** A shrunk scenario that takes longer to find than this is not worth waiting for. */
const RUNS_MAX = 3_000;
const SIMULATED_MS_MAX = 40 * 3_600_000;
const SHORTEST_MS = 1;

/** A scenario that still shows a violation of that kind, with as little in it as could be found by leaving out and halving. */
export function shrink(scenario: Scenario, kind: ViolationKind): Scenario {
  let best = scenario;
  let runs = 0;
  let simulatedMs = 0;
  const tryOne = (candidate: Scenario): boolean => {
    if (runs >= RUNS_MAX || simulatedMs >= SIMULATED_MS_MAX) return false;
    runs++;
    simulatedMs += candidate.endMs;
    const found = runScenario(candidate).violations.find((violation) => violation.kind === kind);
    if (found === undefined) return false;
    best = endedAfter(candidate, found.atMs);
    return true;
  };
  // What the first violation does not need comes off in one go.
  tryOne(scenario);
  let improved: boolean;
  do {
    improved = false;
    for (const step of [dropEvents, simplifyCluster, halveTimes]) if (step(() => best, tryOne)) improved = true;
  } while (improved);
  return { ...best, notes: [...scenario.notes.map((note) => `shrunk from ${note}`), `shows: ${kind}`] };
}

/** Proposes smaller scenarios one after the other; whether one of them was taken. */
type Step = (best: () => Scenario, tryOne: (candidate: Scenario) => boolean) => boolean;

function endedAfter(scenario: Scenario, atMs: number): Scenario {
  const endMs = Math.min(scenario.endMs, Math.ceil(atMs) + 1);
  return { ...scenario, endMs, events: scenario.events.filter((event) => event.atMs <= endMs) };
}

/** Leaves out halves, quarters and so on down to single events. */
const dropEvents: Step = (best, tryOne) => {
  let improved = false;
  for (let size = Math.ceil(best().events.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best().events.length; ) {
      const { events } = best();
      if (tryOne({ ...best(), events: [...events.slice(0, from), ...events.slice(from + size)] })) improved = true;
      else from += size;
    }
  }
  return improved;
};

/** Fewer members, a better network, true clocks. */
const simplifyCluster: Step = (best, tryOne) => {
  const now = best();
  const proposals: Partial<Scenario>[] = [];
  if (now.sealed) proposals.push({ sealed: false });
  if (now.links.length > 0) proposals.push({ links: [] });
  if (now.links.length > 1) proposals.push(...now.links.map((link) => ({ links: now.links.filter((other) => other !== link) })));
  if (now.network.lossProbability > 0) proposals.push({ network: { ...now.network, lossProbability: 0 } });
  if (now.network.duplicateProbability > 0) proposals.push({ network: { ...now.network, duplicateProbability: 0 } });
  if (now.network.delayMaxMs > 1) proposals.push({ network: { ...now.network, delayMaxMs: GOOD_QUALITY.delayMaxMs } });
  if (now.members > 3) proposals.push({ members: now.members - 2 });
  proposals.push(...now.clocks.map((clock) => ({ clocks: now.clocks.filter((other) => other !== clock) })));
  let improved = false;
  for (const proposal of proposals) {
    if (tryOne({ ...best(), ...withoutStale(best(), proposal) })) improved = true;
  }
  return improved;
};

/** A proposal was made for an earlier best: lists are cut down from the present one. */
function withoutStale(best: Scenario, proposal: Partial<Scenario>): Partial<Scenario> {
  const { clocks, links, network } = proposal;
  return {
    ...proposal,
    ...(clocks && { clocks: best.clocks.filter((clock) => clocks.includes(clock)) }),
    ...(links && { links: best.links.filter((link) => links.includes(link)) }),
    ...(network && { network: { ...best.network, ...lowered(best.network, network) } }),
  };
}

function lowered(best: Scenario['network'], wanted: Scenario['network']): Scenario['network'] {
  return {
    lossProbability: Math.min(best.lossProbability, wanted.lossProbability),
    duplicateProbability: Math.min(best.duplicateProbability, wanted.duplicateProbability),
    delayMinMs: Math.min(best.delayMinMs, wanted.delayMinMs),
    delayMaxMs: Math.min(best.delayMaxMs, wanted.delayMaxMs),
  };
}

/** Halves the duration of each event, and the pause in front of it together with everything that follows. */
const halveTimes: Step = (best, tryOne) => {
  let improved = false;
  for (let index = 0; index < best().events.length; index++) {
    const shorter = withShorter(best(), index);
    if (shorter !== undefined && tryOne(shorter)) improved = true;
    const earlier = withEarlier(best(), index);
    if (earlier !== undefined && tryOne(earlier)) improved = true;
  }
  return improved;
};

function withShorter(scenario: Scenario, index: number): Scenario | undefined {
  const event = scenario.events[index];
  if (event?.forMs === undefined || event.forMs < SHORTEST_MS) return undefined;
  const forMs = writable(Math.round(event.forMs / 2));
  return { ...scenario, events: scenario.events.with(index, { ...event, forMs }) };
}

function withEarlier(scenario: Scenario, index: number): Scenario | undefined {
  const event = scenario.events[index];
  if (event === undefined) return undefined;
  const before = scenario.events[index - 1]?.atMs ?? 0;
  const byMs = Math.floor((event.atMs - before) / 2);
  if (byMs < SHORTEST_MS) return undefined;
  const moved = (later: ScenarioEvent): ScenarioEvent => ({ ...later, atMs: writable(later.atMs - byMs) });
  return { ...scenario, events: scenario.events.map((later, i) => (i < index ? later : moved(later))) };
}
