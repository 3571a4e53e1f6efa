import { createRandom, type Random } from '../../base/random.ts';
import { type HealPolicy, type HealRule, healPolicySchema } from '../../core/cluster/heal.ts';
import { rulesOf } from '../../core/heal/policy.ts';
import { type Blow, type Fault, type HealFault, type HealScenario, STRIKES } from './scenario.ts';
import { controlPlaneNames, workerNames, zoneAt } from './world.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Controllers have begun, Pods run. */
const FROM_MS = 2 * MINUTE_MS;

/** Some hours of a cluster with faults of all kinds, one after the other and at the same time; then calm. */
export function generateHealScenario({ seed, workers }: { seed: number; workers?: number }): HealScenario {
  const random = createRandom(seed);
  const zones = 1 + random.below(4);
  const hasPower = random.chance(0.8);
  const policy = generatePolicy(random);
  const count = workers ?? pick(random, [7, 12, 20, 37]);
  const rules = [...(random.chance(0.7) ? [deadlockRule(random, hasPower)] : []), ...rulesOf(policy, { hasPower })];
  const calmAtMs = random.between(0.5, 2) * HOUR_MS;
  const place: Place = { random, hosts: [...controlPlaneNames(), ...workerNames(count)], zones, toMs: calmAtMs - 5 * MINUTE_MS };
  const faults = Array.from({ length: 2 + random.below(12) }, () => generateFault(place)).toSorted((a, b) => a.atMs - b.atMs);
  return { seed, zones, workers: count, hasPower, policy, rules, faults, calmAtMs, calmMs: 24 * HOUR_MS };
}

interface Place {
  random: Random;
  hosts: readonly string[];
  zones: number;
  toMs: number;
}

function generatePolicy(random: Random): HealPolicy {
  return healPolicySchema.parse({
    limits: {
      atOnce: pick(random, [1, 1, 2, 3, '10%']),
      atOncePerZone: pick(random, [1, 1, 2]),
      perHour: pick(random, [3, 6, 12, 60]),
      healthyPercentMin: pick(random, [51, 51, 70]),
      backOffSeconds: pick(random, [10, 60, 300]),
    },
    drain: {
      deadlineSeconds: pick(random, [60, 300, 900]),
      atDeadline: pick(random, ['stop', 'continue', 'delete']),
      ...(random.chance(0.3) ? { graceSeconds: 5 } : {}),
      parallel: pick(random, [1, 5, 50]),
    },
    recoverySeconds: pick(random, [0, 10, 60]),
    patienceSeconds: pick(random, [180, 300, 900]),
  });
}

function deadlockRule(random: Random, hasPower: boolean): HealRule {
  const steps: HealRule['steps'] =
    hasPower && random.chance(0.5) ? ['cordon', 'drain', 'power-off', 'power-on'] : ['cordon', 'drain', 'reboot'];
  return {
    name: 'deadlock',
    when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: pick(random, [10, 60]) }],
    labels: [],
    windows: [],
    steps,
  };
}

function generateFault(place: Place): HealFault {
  const { random, toMs } = place;
  const atMs = random.between(FROM_MS, toMs);
  const [fault, longestMs] = pick(random, KINDS)(place);
  // Some last until all is well.
  const forMs = longestMs === undefined || random.chance(0.1) ? {} : { forMs: random.between(1000, longestMs) };
  return { atMs, ...forMs, fault };
}

type Made = readonly [Fault, longestMs?: number];

const one = ({ random, hosts }: Place): string => pick(random, hosts);
const some = ({ random, hosts }: Place, share: number): string[] => hosts.filter(() => random.chance(share));
const blow = ({ random }: Place): Blow => pick(random, ['kill', 'freeze', 'apart']);

const KINDS: readonly ((place: Place) => Made)[] = [
  (place) => [{ kind: 'hang', host: one(place) }],
  (place) => [{ kind: 'hang', host: one(place) }],
  (place) => [{ kind: 'outage', host: one(place) }, 20 * MINUTE_MS],
  (place) => [{ kind: 'broken', host: one(place) }, HOUR_MS],
  (place) => [{ kind: 'kubelet', host: one(place) }, 20 * MINUTE_MS],
  (place) => [{ kind: 'cut', hosts: [one(place)] }, 10 * MINUTE_MS],
  (place) => [{ kind: 'cut', hosts: some(place, 0.5) }, 10 * MINUTE_MS],
  (place) => [{ kind: 'cut', hosts: some(place, 0.2) }, 10 * MINUTE_MS],
  (place) => [{ kind: 'cut', hosts: ofZone(place) }, 20 * MINUTE_MS],
  (place) => [
    { kind: 'flap', host: one(place), offMs: place.random.between(5000, 90_000), onMs: place.random.between(5000, 90_000) },
    15 * MINUTE_MS,
  ],
  (place) => [{ kind: 'condition', host: one(place), type: 'KernelDeadlock' }, HOUR_MS],
  (place) => [{ kind: 'condition', host: one(place), type: 'KernelDeadlock' }, 5 * MINUTE_MS],
  () => [{ kind: 'api-down' }, 5 * MINUTE_MS],
  () => [{ kind: 'api-slow' }, 10 * MINUTE_MS],
  () => [{ kind: 'watches' }],
  (place) => [{ kind: 'bmc', hosts: some(place, 0.3) }, 30 * MINUTE_MS],
  (place) => [{ kind: 'controller', which: place.random.chance(0.7) ? 'active' : place.random.below(3), blow: blow(place) }, 3 * MINUTE_MS],
  (place) => [{ kind: 'strike', on: pick(place.random, STRIKES), blow: blow(place) }, 3 * MINUTE_MS],
  (place) => [{ kind: 'strike', on: pick(place.random, STRIKES), blow: blow(place) }, 10 * MINUTE_MS],
  () => [{ kind: 'pause' }, 20 * MINUTE_MS],
  (place) => [{ kind: 'person', host: one(place) }, 40 * MINUTE_MS],
  (place) => [{ kind: 'mark', host: one(place), taint: 'karpenter.sh/disrupted' }, 20 * MINUTE_MS],
  (place) => [{ kind: 'mark', host: one(place), annotation: ['weave.works/kured-reboot-in-progress', 'now'] }, 20 * MINUTE_MS],
];

function ofZone({ random, hosts, zones }: Place): string[] {
  const zone = zoneAt(random.below(zones), zones);
  return hosts.filter((_, i) => zoneAt(i, zones) === zone);
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)] as T;
}
