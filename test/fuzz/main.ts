/** `npm run -s fuzz -- --target arp --seconds 60`: fuzzes one target, or all, for a time. See CONTRIBUTING.md. */
import { parseArgs, styleText } from 'node:util';
import { keepFinding, readCorpus, writeCorpus } from './corpus.ts';
import { type Coverage, startCoverage } from './coverage.ts';
import { fuzz, minimise } from './fuzz.ts';
import type { Target } from './target.ts';

const USAGE = `Usage: npm run -s fuzz -- [--target NAME]... [--seconds S | --inputs N] [--seed N] [--keep]

  --target NAME  only this one; may be given again
  --seconds S    for each target (20)
  --inputs N     until each target had so many, however long that takes
  --seed N       another course (1)
  --keep         write inputs that reached something new to test/fuzz/corpus/

A finding is shrunk and written there in any case: mend the reader, commit both.
`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true },
      seconds: { type: 'string', default: '20' },
      inputs: { type: 'string' },
      seed: { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  const inputs = values.inputs === undefined ? undefined : Number(values.inputs);
  if (inputs !== undefined && !(Number.isSafeInteger(inputs) && inputs > 0))
    throw new Error(`--inputs ${values.inputs}: not a whole number above 0`);
  if (!(seconds > 0)) throw new Error(`--seconds ${values.seconds}: not a number above 0`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed ${values.seed}: not a whole number`);
  return { ...values, seconds, inputs, seed };
}

type Options = ReturnType<typeof readOptions>;

async function main(): Promise<number> {
  const coverage = startCoverage(['/src/']);
  const { targets } = await import('./targets/index.ts');
  const list = targets.map(({ name, property }) => `  ${name}: ${property}`).join('\n');
  let options: Options;
  try {
    options = readOptions();
    const unknown = options.target?.find((name) => !targets.some((target) => target.name === name));
    if (unknown !== undefined) throw new Error(`--target ${unknown}: there is none of that name`);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n${list}\n`);
    return 2;
  }
  if (options.help) return (process.stdout.write(`${USAGE}\n${list}\n`), 0);
  let findings = 0;
  for (const target of targets) {
    if (options.target?.includes(target.name) ?? true) findings += fuzzOne(target, coverage, options);
  }
  return findings === 0 ? 0 : 1;
}

/** Returns the number of findings. */
function fuzzOne(target: Target, coverage: Coverage, options: Options): number {
  const corpus = readCorpus(target.name);
  const start = performance.now();
  const endMs = start + options.seconds * 1000;
  const goOn = (soFar: { executions: number }): boolean =>
    options.inputs === undefined ? performance.now() < endMs : soFar.executions < options.inputs;
  const { executions, blocks, pool, findings } = fuzz(target, { coverage, seed: options.seed, corpus, goOn });
  const seconds = (performance.now() - start) / 1000;
  const known = target.seeds.length + corpus.length;
  process.stdout.write(
    `${target.name}: ${executions} executions in ${Math.round(seconds)} s, ${Math.round(executions / seconds)}/s, ${blocks} blocks reached, ${pool.length - known} inputs beyond the ${known} known\n`,
  );
  for (const { input, error, kind } of findings) {
    const path = keepFinding(target.name, input);
    process.stdout.write(
      `${styleText('red', `FINDING (${kind})`)} ${path}\n  must hold: ${target.property}\n  input: ${shown(target, input)}\n`,
    );
    process.stdout.write(`${(error.stack ?? error.message).replaceAll(/^/gm, '  ')}\n`);
  }
  if (options.keep) writeCorpus(target.name, minimise(target, coverage, pool.slice(target.seeds.length)));
  return findings.length;
}

function shown(target: Target, input: Uint8Array): string {
  return target.text ? JSON.stringify(Buffer.from(input).toString()) : Buffer.from(input).toString('hex');
}

process.exitCode = await main();
