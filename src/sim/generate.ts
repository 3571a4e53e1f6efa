import { createRandom, type Random } from '../base/random.ts';
import { DRIFT_BOUND, timingProfiles } from '../core/lease/timing.ts';
import { generateChanges } from './generate-changes.ts';
import { generateFaults, generateSplit } from './generate-faults.ts';
import { generateClocks, generateTopology, pick } from './generate-topology.ts';
import { settledAfterMs } from './health.ts';
import { GOOD_QUALITY, type HostConfig, type Scenario, type ScenarioEvent } from './scenario.ts';
import { writable } from './words.ts';

export interface GenerateOptions {
  seed: number;
  /** Clock error of each host is drawn from +- this. Beyond DRIFT_BOUND the runs must find violations: the test of the test. */
  driftBound?: number;
}

const CHANGES_SHARE = 0.2;
const FAULTS_FROM_MS = 300;
const FAULT_TIME_MS = 4_500;
const LONGEST_LEASES = 5;

/** A short, hard life: faults or changes close together, then everything is repaired, then a hand-over. */
export function generateScenario({ seed, driftBound = DRIFT_BOUND }: GenerateOptions): Scenario {
  const random = createRandom(seed);
  const topology = generateTopology(random, driftBound);
  const config: HostConfig = { members: Array.from({ length: topology.members }, (_, i) => i), profile: topology.profile, keys: [1] };
  const trouble = random.chance(CHANGES_SHARE) ? changeTrouble(random, config) : faultTrouble(random, config);
  const { events, endMs } = peace(random, trouble);
  return { ...topology, notes: [`seed ${seed}`], events: [...trouble.events, ...events], endMs };
}

interface Trouble {
  events: ScenarioEvent[];
  config: HostConfig;
  endMs: number;
}

function faultTrouble(random: Random, config: HostConfig): Trouble {
  const members = config.members.length;
  const longestMs = LONGEST_LEASES * timingProfiles[config.profile].leaseMs;
  const window = { members, fromMs: FAULTS_FROM_MS, toMs: FAULT_TIME_MS, longestMs };
  const events = generateFaults(random, { ...window, count: 2 + random.below(8) });
  if (random.chance(0.3)) events.push(...generateSplit(random, window));
  return { events: byTime(events), config, endMs: FAULT_TIME_MS };
}

/** Changes of configuration, on a network that is good or not, with a few faults that do not hold an agent's restart up past the end of a change. */
function changeTrouble(random: Random, config: HostConfig): Trouble {
  const changes = generateChanges(random, { config, fromMs: 2_000, count: 1 + random.below(3) });
  const window = { members: config.members.length, fromMs: 2_000, toMs: changes.endMs, longestMs: 1_000 };
  const faults = generateFaults(random, { ...window, count: random.below(4) }).filter(({ action }) => isQuick(action.kind));
  const calm: ScenarioEvent[] = random.chance(0.5) ? [{ atMs: 0, action: { kind: 'network', quality: GOOD_QUALITY } }] : [];
  return { events: byTime([...calm, ...changes.events, ...faults]), config: changes.config, endMs: changes.endMs };
}

function isQuick(kind: ScenarioEvent['action']['kind']): boolean {
  return kind !== 'freeze' && kind !== 'suspend' && kind !== 'restart';
}

/** Everything is repaired, then the holder drains. */
function peace(random: Random, { config, endMs }: Trouble): { events: ScenarioEvent[]; endMs: number } {
  const { leaseMs } = timingProfiles[config.profile];
  const drainMs = endMs + settledAfterMs(config) + random.between(0, leaseMs);
  const events: ScenarioEvent[] = [
    { atMs: writable(endMs), action: { kind: 'repair' } },
    { atMs: writable(drainMs), action: { kind: pick(random, ['drain', 'restart']), host: 'holder' } },
  ];
  return { events, endMs: writable(drainMs + 2 * leaseMs) };
}

function byTime(events: readonly ScenarioEvent[]): ScenarioEvent[] {
  return events.toSorted((a, b) => a.atMs - b.atMs);
}

const HOUR_MS = 3_600_000;
const LIFE_MS = 2 * HOUR_MS;
/** Mean time between two things that happen in a long life. */
const QUIET_MS = HOUR_MS / 4;

/** Two hours of a cluster as clusters are: calm, now and then a fault for seconds or minutes, or a change. */
export function generateLife({ seed, driftBound = DRIFT_BOUND }: GenerateOptions): Scenario {
  const random = createRandom(seed);
  const topology = { ...generateTopology(random, driftBound), clocks: generateClocks(random, driftBound), links: [] };
  const network = { ...GOOD_QUALITY, lossProbability: random.chance(0.5) ? 0 : writable(random.between(0, 0.002)) };
  let config: HostConfig = { members: Array.from({ length: topology.members }, (_, i) => i), profile: topology.profile, keys: [1] };
  const events: ScenarioEvent[] = [];
  for (let nowMs = 60_000; nowMs < LIFE_MS; nowMs += -Math.log(1 - random.next()) * QUIET_MS) {
    if (random.chance(0.15)) {
      const changes = generateChanges(random, { config, fromMs: nowMs, count: 1 });
      events.push(...changes.events);
      config = changes.config;
      nowMs = changes.endMs;
    } else {
      const longestMs = random.chance(0.8) ? 10_000 : 300_000;
      const window = { members: config.members.length, fromMs: nowMs, toMs: nowMs + longestMs, longestMs };
      events.push(...generateFaults(random, { ...window, count: random.chance(0.9) ? 1 : 2 }));
      nowMs += longestMs;
      events.push({ atMs: writable(nowMs), action: { kind: 'network', quality: network } });
      events.push({ atMs: writable(nowMs), action: { kind: 'repair' } });
    }
  }
  const kept = byTime(events).filter(({ atMs }) => atMs <= LIFE_MS);
  return { ...topology, network, notes: [`long life of seed ${seed}`], events: kept, endMs: LIFE_MS };
}
