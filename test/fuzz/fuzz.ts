/**
 * Coverage-guided fuzzing: inputs that reach new blocks of the source are kept and changed further. Looking at the coverage takes about a
 * thousand times as long as a decoder does, so it is looked at once a batch, and a batch that reached something new is halved until the
 * inputs that did are found. A seed gives the same run again.
 */
import { type Coverage, CoverageMap, type Sight } from './coverage.ts';
import { createMutator, type Mutator } from './mutate.ts';
import { shrink } from './shrink.ts';
import type { Target } from './target.ts';
import { type Failure, HANG, runAll } from './watchdog.ts';

const BATCH = 256;
const MAX_LENGTH = 1024;
const FINDINGS_MAX = 5;
const NO_COVERAGE: Coverage = { take: () => new Map(), stop: () => {} };

export interface FuzzOptions {
  coverage: Coverage;
  seed: number;
  /** Kept inputs of earlier runs. */
  corpus: readonly Uint8Array[];
  /** Ends before the next batch when false. */
  goOn: (soFar: { executions: number; findings: number }) => boolean;
  /** False: does not look at the coverage, which takes most of the time of a short run. */
  guided?: boolean;
}

export interface FuzzResult {
  executions: number;
  /** Stretches of source reached. */
  blocks: number;
  /** Shrunk, one for each way to fail. */
  findings: Failure[];
  /** Seeds, corpus and what was found, all of which reached something. */
  pool: Uint8Array[];
}

export function fuzz(target: Target, options: FuzzOptions): FuzzResult {
  const { guided = true } = options;
  const coverage = guided ? options.coverage : NO_COVERAGE;
  const map = new CoverageMap();
  const pool = [...target.seeds, ...options.corpus];
  const findings = new Map<string, Failure>();
  const note = (failures: readonly Failure[]): void => {
    for (const failure of failures) if (!findings.has(failure.key)) findings.set(failure.key, shrink(target, failure));
  };
  coverage.take();
  note(runAll(target, pool));
  map.add(coverage.take());
  const mutator = createMutator({ seed: options.seed, texts: target.text ? pool : undefined, maxLength: target.maxLength ?? MAX_LENGTH });
  const sweeps = target.text ? [] : pool.map((input) => mutator.sweep(input));
  let executions = 0;
  const isOver = (): boolean => findings.size >= FINDINGS_MAX || findings.has(HANG);
  while (!isOver() && options.goOn({ executions, findings: findings.size })) {
    const batch = Array.from({ length: target.batch ?? BATCH }, (_, i) => nextInput(i % 2 === 0 ? sweeps : [], { target, mutator, pool }));
    const failures = runAll(target, batch);
    const sight = coverage.take();
    executions += batch.length;
    const hangs = failures.some(({ key }) => key === HANG);
    const fresh = !hangs && map.isNew(sight) ? reachers({ target, coverage, map }, batch) : [];
    pool.push(...fresh);
    if (!target.text) sweeps.unshift(...fresh.map((input) => mutator.sweep(input)));
    // Whatever no single input showed again, as code that runs only once.
    map.add(sight);
    if (failures.length === 0) continue;
    note(failures);
    coverage.take();
  }
  return { executions, blocks: map.blocks, findings: [...findings.values()], pool };
}

interface Sources {
  target: Target;
  mutator: Mutator;
  pool: readonly Uint8Array[];
}

/** The next of the sweeps as long as there is one, else a mutant. */
function nextInput(sweeps: Generator<Uint8Array>[], { target, mutator, pool }: Sources): Uint8Array {
  while (sweeps.length > 0) {
    const { value } = (sweeps[0] as Generator<Uint8Array, undefined>).next();
    if (value !== undefined) return value;
    sweeps.shift();
  }
  const input = mutator.mutant(pool);
  return target.repair !== undefined && mutator.random.chance(0.5) ? target.repair(input) : input;
}

interface Search {
  target: Target;
  coverage: Coverage;
  map: CoverageMap;
}

/** The inputs, of some that together reach something new, which do so, each beyond those before it. */
function reachers(search: Search, inputs: readonly Uint8Array[]): Uint8Array[] {
  const middle = inputs.length >> 1;
  if (middle === 0) return newAlone(search, inputs);
  return [inputs.slice(0, middle), inputs.slice(middle)].flatMap((half) => {
    if (half.length === 1) return newAlone(search, half);
    return search.map.isNew(run(search, half)) ? reachers(search, half) : [];
  });
}

/** The one input, if it reaches something new, which is then known. */
function newAlone(search: Search, input: readonly Uint8Array[]): Uint8Array[] {
  const sight = run(search, input);
  if (!search.map.isNew(sight)) return [];
  search.map.add(sight);
  return [...input];
}

function run({ target, coverage }: Search, inputs: readonly Uint8Array[]): Sight {
  runAll(target, inputs);
  return coverage.take();
}

/** The fewest of `inputs`, shortest first, that reach beyond the seeds all that these inputs reach. */
export function minimise(target: Target, coverage: Coverage, inputs: readonly Uint8Array[]): Uint8Array[] {
  const map = new CoverageMap();
  coverage.take();
  runAll(target, target.seeds);
  map.add(coverage.take());
  const shortestFirst = inputs.toSorted((a, b) => a.length - b.length);
  return shortestFirst.flatMap((input) => newAlone({ target, coverage, map }, [input]));
}
