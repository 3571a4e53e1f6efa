/**
 * The test of the monitors: each planted bug of heal-mutations.ts is put into a copy of the sources and must be found there.
 *
 *   node test/sim/heal-mutants.ts [part of a name]
 */
import type { HealViolation } from '../../src/sim/heal/monitor.ts';
import { type HealMutation, healMutations } from './heal-mutations.ts';
import { mutated } from './mutants.ts';

type Simulator = typeof import('../../src/sim/heal/run.ts') & typeof import('../../src/sim/heal/generate.ts');

const SIMULATOR = `
  export { runHealScenario } from './src/sim/heal/run.ts';
  export { generateHealScenario } from './src/sim/heal/generate.ts';`;
const SEEDS_MAX = 60;

/** The first violation of the kind that the bug is known by, and in which life. */
export async function findHealMutant(mutation: HealMutation): Promise<{ violation: HealViolation; life: string } | undefined> {
  const { runHealScenario, generateHealScenario } = await mutated<Simulator>(mutation, SIMULATOR);
  const { life, kind } = mutation;
  const lives = life === undefined ? Array.from({ length: SEEDS_MAX }, (_, i) => generateHealScenario({ seed: i + 1 })) : [life];
  for (const one of lives) {
    const violation = (await runHealScenario(one)).violations.find((found) => found.kind === kind);
    if (violation !== undefined) return { violation, life: life === undefined ? `seed ${one.seed}` : 'its own life' };
  }
  return undefined;
}

async function main(wanted = ''): Promise<void> {
  const chosen = healMutations.filter(({ name }) => name.includes(wanted));
  let missed = 0;
  for (const mutation of chosen) {
    const before = performance.now();
    const found = await findHealMutant(mutation);
    if (found === undefined) missed += 1;
    const seconds = ((performance.now() - before) / 1000).toFixed(1);
    const verdict = found === undefined ? 'NOT FOUND' : `${mutation.kind} in ${found.life}`;
    process.stdout.write(`${verdict}: ${mutation.name} (${seconds} s)${found === undefined ? '' : `\n    ${found.violation.text}`}\n`);
  }
  process.stdout.write(`${chosen.length - missed} of ${chosen.length} planted bugs found\n`);
  process.exitCode = missed === 0 ? 0 : 1;
}

if (import.meta.main) await main(process.argv[2]);
