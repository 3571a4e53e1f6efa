/**
 * The test of the explorer: each planted bug of mutations.ts is put into a copy of the sources and must be found there.
 *
 *   node test/sim/mutants.ts [--trace] [part of a name]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Exploration } from '../../src/sim/explore/explore.ts';
import { type Mutation, mutations } from './mutations.ts';

const STATES_MAX = 3_000_000;

interface Explored {
  exploration: Exploration;
  trace: string[];
}

const root = new URL('../../', import.meta.url).pathname;
const EXPLORER = `
  export { explore } from './src/sim/explore/explore.ts';
  export { scopeNamed } from './src/sim/explore/scopes.ts';
  export { traceLines } from './src/sim/explore/trace.ts';`;

type Explorer = typeof import('../../src/sim/explore/explore.ts') &
  typeof import('../../src/sim/explore/scopes.ts') &
  typeof import('../../src/sim/explore/trace.ts');

/** Explores the scope of a mutation with the mutated core. Throws when the text to change is not there exactly once. */
export async function exploreMutant(mutation: Mutation, statesMax = STATES_MAX): Promise<Explored> {
  const { explore, scopeNamed, traceLines } = await explorerWith(mutation);
  const scope = scopeNamed(mutation.scope);
  if (scope === undefined) throw new Error(`'${mutation.name}': there is no scope ${mutation.scope}`);
  const exploration = explore(scope, { statesMax });
  return { exploration, trace: exploration.violation === undefined ? [] : traceLines(scope, exploration.violation) };
}

async function explorerWith(mutation: Mutation): Promise<Explorer> {
  return await mutated<Explorer>({ ...mutation, file: join('src/core/lease', mutation.file), changes: [mutation] }, EXPLORER);
}

/** What `entry` exports, on a copy of the sources with a file changed. Throws when a text to change is not there exactly once. */
export async function mutated<T>(
  { name, file, changes }: { name: string; file: string; changes: readonly { find: string; replace: string }[] },
  entry: string,
): Promise<T> {
  const place = join(root, file);
  let contents = readFileSync(place, 'utf8');
  for (const { find, replace } of changes) {
    if (contents.split(find).length !== 2) throw new Error(`'${name}': its text is not in ${file} exactly once`);
    contents = contents.replace(find, () => replace);
  }
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: root },
    bundle: true,
    write: false,
    format: 'esm',
    logLevel: 'silent',
    plugins: [
      {
        name: 'mutate',
        setup: ({ onLoad }) => onLoad({ filter: /\.ts$/ }, ({ path }) => (path === place ? { contents, loader: 'ts' } : undefined)),
      },
    ],
  });
  const code = Buffer.from((outputFiles[0] as { contents: Uint8Array }).contents).toString('base64');
  return (await import(/* @vite-ignore */ `data:text/javascript;base64,${code}`)) as T;
}

async function main(argv: readonly string[]): Promise<void> {
  const wanted = argv.find((word) => !word.startsWith('--')) ?? '';
  const started = performance.now();
  let missed = 0;
  const chosen = mutations.filter(({ name }) => name.includes(wanted));
  for (const mutation of chosen) {
    const before = performance.now();
    const { exploration, trace } = await exploreMutant(mutation);
    const { violation, states } = exploration;
    if (violation === undefined) missed++;
    const verdict = violation === undefined ? 'NOT FOUND' : `found after ${violation.path.length} steps`;
    const seconds = ((performance.now() - before) / 1000).toFixed(1);
    process.stdout.write(`${verdict}: ${mutation.name} (${mutation.scope}, ${states} states, ${seconds} s)\n`);
    if (argv.includes('--trace')) process.stdout.write(`${trace.join('\n')}\n\n`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${chosen.length - missed} of ${chosen.length} planted bugs found in ${seconds} s\n`);
  process.exitCode = missed === 0 ? 0 : 1;
}

if (import.meta.main) await main(process.argv.slice(2));
