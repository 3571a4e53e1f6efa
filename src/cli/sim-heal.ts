import { Command } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import { generateHealScenario } from '../sim/heal/generate.ts';
import { runHealScenario } from '../sim/heal/run.ts';
import type { HealScenario } from '../sim/heal/scenario.ts';
import { wholeNumber } from './whole-number.ts';

interface SimHealOptions {
  seed: number;
  count: number;
  workers?: number;
  json?: true;
}

interface Failure {
  seed: number;
  replay: string;
  violations: string[];
}

/** `hale sim heal`: the production controller of nodes that heal, in a simulated cluster, one seed after the other; one seed alone prints its trace. */
export function simHealCommand(): Command {
  return new Command('heal')
    .description('run the healing of nodes through seeded, simulated faults, and check that it does no more harm than it may')
    .option('--seed <n>', 'first seed', wholeNumber, 1)
    .option('--count <n>', 'how many seeds', wholeNumber, 1)
    .option('--workers <n>', 'worker nodes; drawn by the seed when not given', wholeNumber)
    .option('--json', 'print one JSON document')
    .action(async (options: SimHealOptions) => {
      if (options.count === 1 && !options.json) await showOne(options);
      else await runMany(options);
    });
}

function scenarioOf({ seed, workers }: SimHealOptions): HealScenario {
  return generateHealScenario({ seed, ...(workers !== undefined && { workers }) });
}

async function showOne(options: SimHealOptions): Promise<void> {
  const { faults, ...cluster } = scenarioOf(options);
  process.stdout.write(`${JSON.stringify({ ...cluster, faults: faults.length }, null, 2)}\n---\n`);
  const { violations } = await runHealScenario({ ...cluster, faults }, (line) => process.stdout.write(`${line}\n`));
  if (violations.length > 0) process.exitCode = EXIT_FINDING;
}

async function runMany(options: SimHealOptions): Promise<void> {
  const { seed: first, count, workers, json } = options;
  const startedAt = performance.now();
  const sum = { simulatedMs: 0, remedies: 0, takeovers: 0 };
  const failed: Failure[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const { violations, ...result } = await runHealScenario(scenarioOf({ ...options, seed }));
    for (const key of ['simulatedMs', 'remedies', 'takeovers'] as const) sum[key] += result[key];
    if (violations.length === 0) continue;
    const replay = `./hale sim heal --seed ${seed}${workers === undefined ? '' : ` --workers ${workers}`}`;
    failed.push({
      seed,
      replay,
      violations: violations.map(({ atMs, kind, text }) => `at ${(atMs / 1000).toFixed(1)} s ${kind}: ${text}`),
    });
    if (!json) process.stdout.write(`seed ${seed}: ${violations[0]?.kind}: ${violations[0]?.text}; replay with: ${replay}\n`);
  }
  const realMs = Math.round(performance.now() - startedAt);
  const summary = { seeds: count, ...sum, simulatedMs: Math.round(sum.simulatedMs), realMs, failed };
  const hours = (sum.simulatedMs / 3_600_000).toFixed(1);
  const words = `${count} ${count === 1 ? 'life' : 'lives'}, ${hours} h simulated in ${(realMs / 1000).toFixed(0)} s, ${sum.remedies} remedies, ${sum.takeovers} changes of the active controller, ${failed.length === 0 ? 'no violation' : `violations in ${failed.length}`}`;
  process.stdout.write(json ? `${JSON.stringify(summary)}\n` : `${words}\n`);
  if (failed.length > 0) process.exitCode = EXIT_FINDING;
}
