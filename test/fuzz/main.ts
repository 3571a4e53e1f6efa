/** `npm run -s fuzz -- --target arp --seconds 60`: fuzzes one target, or all, for a time. See CONTRIBUTING.md. */
import { parseArgs, styleText } from 'node:util';
import { keepFinding, readCorpus, writeCorpus } from './corpus.ts';
import { type Coverage, startCoverage } from './coverage.ts';
import { fuzz, minimise } from './fuzz.ts';
import type { Target } from './target.ts';

const USAGE = `Usage: npm run -s fuzz -- [--target NAME]... [--seconds S] [--seed N] [--keep]

  --target NAME  only this one; may be given again
  --seconds S    for each target (20)
  --seed N       another course (1)
  --keep         write inputs that reached something new to test/fuzz/corpus/

A finding is shrunk and written there in any case: mend the reader, commit both.
`;

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true },
    seconds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  const coverage = startCoverage(['/src/']);
  const { targets } = await import('./targets/index.ts');
  const unknown = values.target?.filter((name) => !targets.some((target) => target.name === name)) ?? [];
  if (values.help || unknown.length > 0) {
    for (const name of unknown) process.stderr.write(`there is no target ${name}\n`);
    process.stdout.write(`${USAGE}\n${targets.map(({ name, property }) => `  ${name}: ${property}`).join('\n')}\n`);
    return values.help ? 0 : 2;
  }
  const wanted = targets.filter(({ name }) => values.target?.includes(name) ?? true);
  let findings = 0;
  for (const target of wanted) findings += fuzzOne(target, coverage);
  return findings === 0 ? 0 : 1;
}

/** Returns the number of findings. */
function fuzzOne(target: Target, coverage: Coverage): number {
  const corpus = readCorpus(target.name);
  const start = performance.now();
  const endMs = start + Number(values.seconds) * 1000;
  const goOn = (): boolean => performance.now() < endMs;
  const { executions, blocks, pool, findings } = fuzz(target, { coverage, seed: Number(values.seed), corpus, goOn });
  const seconds = (performance.now() - start) / 1000;
  const known = target.seeds.length + corpus.length;
  process.stdout.write(
    `${target.name}: ${executions} executions, ${Math.round(executions / seconds)}/s, ${blocks} blocks reached, ${pool.length - known} inputs beyond the ${known} known\n`,
  );
  for (const { input, error, kind } of findings) {
    const path = keepFinding(target.name, input);
    process.stdout.write(
      `${styleText('red', `FINDING (${kind})`)} ${path}\n  must hold: ${target.property}\n  input: ${shown(target, input)}\n`,
    );
    process.stdout.write(`${(error.stack ?? error.message).replaceAll(/^/gm, '  ')}\n`);
  }
  if (values.keep) writeCorpus(target.name, minimise(target, coverage, pool.slice(target.seeds.length)));
  return findings.length;
}

function shown(target: Target, input: Uint8Array): string {
  return target.text ? JSON.stringify(Buffer.from(input).toString()) : Buffer.from(input).toString('hex');
}

process.exitCode = await main();
