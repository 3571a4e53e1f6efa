/**
 * The test of the explorer: each planted bug of mutations.ts is put into a copy of the sources and must be found there.
 *
 *   node test/sim/mutants.ts [--trace] [part of a name]
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Exploration } from '../../src/sim/explore/explore.ts';
import { type Mutation, mutations } from './mutations.ts';

const STATES_MAX = 3_000_000;

export interface Caught {
  mutation: Mutation;
  exploration: Exploration;
  trace: string[];
}

const root = new URL('../../', import.meta.url).pathname;

/** Explores the scope of a mutation with the mutated core. Throws when the text to change is not there exactly once. */
export async function exploreMutant(mutation: Mutation, statesMax = STATES_MAX): Promise<Caught> {
  const copy = mkdtempSync(join(tmpdir(), 'hale-mutant-'));
  try {
    cpSync(join(root, 'src'), join(copy, 'src'), { recursive: true });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    const file = join(copy, 'src/core/lease', mutation.file);
    const text = readFileSync(file, 'utf8');
    if (text.split(mutation.find).length !== 2) throw new Error(`'${mutation.name}': its text is not in ${mutation.file} exactly once`);
    writeFileSync(file, text.replace(mutation.find, () => mutation.replace));
    const load = (path: string) => import(/* @vite-ignore */ pathToFileURL(join(copy, 'src/sim/explore', path)).href);
    const { explore } = (await load('explore.ts')) as typeof import('../../src/sim/explore/explore.ts');
    const { scopeNamed } = (await load('scopes.ts')) as typeof import('../../src/sim/explore/scopes.ts');
    const { traceLines } = (await load('trace.ts')) as typeof import('../../src/sim/explore/trace.ts');
    const scope = scopeNamed(mutation.scope);
    if (scope === undefined) throw new Error(`'${mutation.name}': there is no scope ${mutation.scope}`);
    const exploration = explore(scope, { statesMax });
    return { mutation, exploration, trace: exploration.violation === undefined ? [] : traceLines(scope, exploration.violation) };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
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
