import type { Random } from '../base/random.ts';
import { type TimingProfile, timingProfiles } from '../core/lease/timing.ts';
import { HOSTS_MAX, type Quality, type Scenario } from './scenario.ts';
import { writable } from './words.ts';

/** The slowest network that a cluster is tried on. */
const DELAY_MAX_MS = 500;
const LOSS_MAX = 0.3;
const DUPLICATE_MAX = 0.2;
/** Share of runs whose datagrams are really sealed. */
const SEALED_SHARE = 0.05;

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T;
}

/** Members, links and clocks of a cluster; nothing happens to it yet. */
export function generateTopology(random: Random, driftBound: number): Omit<Scenario, 'notes' | 'events' | 'endMs'> {
  const members = random.chance(0.6) ? 3 : pick(random, [5, 5, 7]);
  const profile = pick<TimingProfile>(random, ['default', 'default', 'fast', 'calm']);
  return {
    seed: random.below(1e9),
    members,
    profile,
    gate: 'deadline',
    sealed: random.chance(SEALED_SHARE),
    network: generateQuality(random, profile),
    links: random.chance(0.3) ? unevenLinks(random, { members, profile }) : [],
    clocks: generateClocks(random, driftBound),
  };
}

/** Faults of timing hide at the edge of what is allowed, so most clocks are there. */
export function generateClocks(random: Random, driftBound: number): Scenario['clocks'] {
  return Array.from({ length: HOSTS_MAX }, (_, host) => {
    const error = pick(random, [-driftBound, driftBound, random.between(-driftBound, driftBound)]);
    return { host, rate: writable(1 + error) };
  });
}

function generateQuality(random: Random, profile: TimingProfile): Quality {
  const { roundTimeoutMs } = timingProfiles[profile];
  const slowest = pick(random, [1, 1, 2 * roundTimeoutMs, 2 * roundTimeoutMs, DELAY_MAX_MS]);
  return {
    lossProbability: random.chance(0.5) ? 0 : writable(random.between(0, LOSS_MAX)),
    duplicateProbability: writable(random.between(0, DUPLICATE_MAX)),
    delayMinMs: 0.1,
    delayMaxMs: slowest === 1 ? 1 : writable(random.between(1, slowest)),
  };
}

/** Each direction by itself, so that loss and delay are asymmetric. */
function unevenLinks(random: Random, { members, profile }: { members: number; profile: TimingProfile }): Scenario['links'] {
  return Array.from({ length: 1 + random.below(members) }, () => {
    const from = random.below(members);
    const to = (from + 1 + random.below(members - 1)) % members;
    return { from, to, quality: generateQuality(random, profile) };
  });
}
