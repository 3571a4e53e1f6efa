import type { Violation } from './monitor.ts';
import type { Scenario } from './scenario.ts';
import { World } from './world.ts';

export interface SimResult {
  violations: readonly Violation[];
  simulatedMs: number;
  /** How often the address got another holder. */
  moves: number;
  /** Longest time from a healthy majority to a holder. */
  maxRecoveryMs: number;
  /** Longest time without an answering host in a hand-over on a healthy network. */
  maxHandoverGapMs: number;
}

/** Lives through a scenario. `onTrace` is told of everything that happens. */
export function runScenario(scenario: Scenario, onTrace?: (line: string) => void): SimResult {
  const world = new World(scenario, onTrace);
  for (const { atMs, action, forMs } of scenario.events) world.schedule.plan(atMs, () => world.perform(action, forMs));
  world.schedule.runUntil(scenario.endMs);
  world.finish();
  const { moves, maxRecoveryMs, maxHandoverGapMs } = world.health;
  return { violations: world.violations.list, simulatedMs: scenario.endMs, moves, maxRecoveryMs, maxHandoverGapMs };
}
