import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import { generateLife, generateScenario } from '../sim/generate.ts';
import { runScenario } from '../sim/run.ts';
import { formatScenario, joinFile } from '../sim/scenario-text.ts';
import { exploreCommand } from './explore.ts';
import { simHealCommand } from './sim-heal.ts';
import type { SimTally } from './sim-job.ts';
import { simReplayCommand } from './sim-replay.ts';
import { runSeeds } from './sim-run.ts';
import { shownSummary, simSummary } from './sim-summary.ts';
import { surviveCommand } from './survive.ts';
import { wholeNumber } from './whole-number.ts';

interface SimOptions {
  seed: number;
  count: number;
  life?: true;
  years?: number;
  drift?: number;
  jobs: number;
  json?: true;
}

const YEAR_MS = 365.25 * 24 * 3_600_000;
const PROGRESS_MS = 5_000;

/** `hale sim`: the production election in a simulated world of faults and changes, one seed after the other; one seed alone prints its trace. */
export function simCommand(): Command {
  return new Command('sim')
    .description('run the election through seeded, simulated faults and changes, and check that at most one host ever answers')
    .option('--seed <n>', 'first seed', wholeNumber, 1)
    .option('--count <n>', 'how many seeds', wholeNumber, 1)
    .option('--life', 'two hours of a mostly calm cluster for each seed, instead of a few seconds of trouble')
    .option('--years <y>', 'as many lives as cover this many years of cluster time', positive)
    .option('--drift <f>', 'largest error of a clock as a fraction; beyond 0.005 there must be violations', share)
    .option('--jobs <n>', 'threads', wholeNumber, availableParallelism())
    .option('--json', 'print one JSON document')
    .enablePositionalOptions()
    .addCommand(simReplayCommand())
    .addCommand(exploreCommand())
    .addCommand(simHealCommand())
    .addCommand(surviveCommand())
    .action(async (options: SimOptions) => {
      if (options.count === 1 && options.years === undefined && !options.json) showOne(options);
      else await runMany(options);
    });
}

/** The scenario of one seed and its trace, as a scenario file has them. */
function showOne({ seed, drift, life }: SimOptions): void {
  const generate = life ? generateLife : generateScenario;
  const scenario = generate({ seed, ...(drift !== undefined && { driftBound: drift }) });
  process.stdout.write(`${formatScenario(scenario)}---\n`);
  const { violations } = runScenario(scenario, (line) => process.stdout.write(`${line}\n`));
  if (violations.length > 0) process.exitCode = EXIT_FINDING;
}

async function runMany(options: SimOptions): Promise<void> {
  const { seed, count, years, drift, jobs, json } = options;
  const life = options.life === true || years !== undefined;
  const startedAt = performance.now();
  let shownAt = startedAt;
  const onProgress = (sum: SimTally) => {
    if (performance.now() - shownAt < PROGRESS_MS) return;
    shownAt = performance.now();
    process.stderr.write(`${shownSummary(simSummary(sum, { startedAt, drift, life }))}\n`);
  };
  const sum = await untilInterrupted((signal) =>
    runSeeds({
      firstSeed: seed,
      goal: years === undefined ? { seeds: count } : { simulatedMs: years * YEAR_MS },
      drift,
      life,
      threads: Math.max(1, jobs),
      signal,
      onProgress,
    }),
  );
  const files = sum.failures.flatMap(({ seed: failed, scenario, trace }) => {
    if (scenario === undefined) return [];
    const file = `hale-sim-${failed}.txt`;
    writeFileSync(file, joinFile(scenario, trace));
    return [{ seed: failed, file }];
  });
  const summary = { ...simSummary(sum, { startedAt, drift, life }), files };
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else
    process.stdout.write(
      `${[...summary.failed.map((line) => line.text), ...files.map(({ file }) => `shrunk: hale sim replay ${file}`), shownSummary(summary)].join('\n')}\n`,
    );
  if (summary.failed.length > 0) process.exitCode = EXIT_FINDING;
}

/** Ctrl-C ends the work and keeps what was found so far. */
async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

function positive(text: string): number {
  if (!/^\d{1,6}(\.\d+)?$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('expected a number above 0.');
  return Number(text);
}

function share(text: string): number {
  if (!/^0(\.\d+)?$/.test(text) || Number(text) > 0.4) throw new InvalidArgumentError('expected a fraction from 0 to 0.4.');
  return Number(text);
}
