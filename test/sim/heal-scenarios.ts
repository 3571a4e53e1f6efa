/** Clusters and faults by hand, where the seeds come across them seldom. */
import { type HealPolicy, type HealRule, healPolicySchema } from '../../src/core/cluster/heal.ts';
import { rulesOf } from '../../src/core/heal/policy.ts';
import type { Fault, HealFault, HealScenario } from '../../src/sim/heal/scenario.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

type Over = Partial<Omit<HealScenario, 'policy'>> & { policy?: Record<string, unknown> };

/** Nothing happens in it. */
export function scenario(over: Over = {}): HealScenario {
  const policy: HealPolicy = healPolicySchema.parse(over.policy ?? {});
  const { hasPower = true } = over;
  return {
    seed: 1,
    zones: 3,
    workers: 12,
    rules: rulesOf(policy, { hasPower }),
    faults: [],
    calmAtMs: HOUR_MS,
    calmMs: 12 * HOUR_MS,
    ...over,
    hasPower,
    policy,
  };
}

export const at = (minute: number, fault: Fault, minutes?: number): HealFault => ({
  atMs: minute * MINUTE_MS,
  ...(minutes === undefined ? {} : { forMs: minutes * MINUTE_MS }),
  fault,
});

export const deadlock = (steps: HealRule['steps']): HealRule => ({
  name: 'deadlock',
  when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 60 }],
  labels: [],
  windows: [],
  steps,
});

export const DEADLOCKED = { kind: 'condition', type: 'KernelDeadlock' } as const;
/** Nothing is in the way of many at once. */
export const FREE = { limits: { atOnce: 9, atOncePerZone: 9, perHour: 99, backOffSeconds: 60 } };
