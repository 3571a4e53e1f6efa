import type { HealViolation } from './monitor.ts';
import type { HealScenario } from './scenario.ts';
import { HealWorld } from './world.ts';

export interface HealSimResult {
  violations: readonly HealViolation[];
  simulatedMs: number;
  /** Remedies that were begun. */
  remedies: number;
  /** How often a controller became the active one. */
  takeovers: number;
}

/** Between two looks whether all is well again. */
const LOOK_MS = 30_000;

/** Lives through a scenario, until all is well again after it, or too long not. `onTrace` is told of everything that happens. */
export async function runHealScenario(scenario: HealScenario, onTrace?: (line: string) => void): Promise<HealSimResult> {
  const world = new HealWorld(scenario, onTrace);
  const { schedule, monitor } = world;
  for (const fault of scenario.faults) schedule.plan(fault.atMs, () => world.faults.begin(fault));
  await world.runUntil(scenario.calmAtMs);
  world.faults.calm();
  const endMs = scenario.calmAtMs + scenario.calmMs;
  let calmFor = 0;
  while (schedule.now < endMs && calmFor < 2) {
    await world.runUntil(schedule.now + LOOK_MS);
    calmFor = world.leftovers().length === 0 ? calmFor + 1 : 0;
  }
  for (const left of calmFor === 0 ? world.leftovers() : [])
    monitor.add('liveness', `${left}, ${scenario.calmMs / 1000} s after the last fault`);
  return { violations: monitor.violations, simulatedMs: schedule.now, remedies: monitor.remedies, takeovers: monitor.takeovers };
}
