/** Writes the pages of docs/reference/ from the code they describe; test/unit/docs.test.ts fails when one is out of date. */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHealMetrics } from '../src/agent/heal/metrics.ts';
import { createMetrics, createNodeMetrics } from '../src/agent/metrics.ts';
import { createProgram } from '../src/cli/main.ts';
import { renderReference } from '../src/core/cluster/reference.ts';
import { rules } from '../src/core/doctor/rules/index.ts';
import { readErrors } from './error-facts.ts';
import { renderCli } from './render-cli.ts';
import { type ErrorSource, renderErrors } from './render-errors.ts';
import { renderMetrics } from './render-metrics.ts';
import { renderRules } from './render-rules.ts';

export const root = join(import.meta.dirname, '..');

/** Every error for people that the sources make, file by file. */
export function readErrorSources(): ErrorSource[] {
  return globSync('src/**/*.ts', { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .toSorted()
    .map((path) => ({ path, errors: readErrors(path, readFileSync(join(root, path), 'utf8')) }));
}

/** Every generated page: its name in docs/reference/, and the text it should have. */
export async function renderPages(): Promise<Record<string, string>> {
  return {
    'cluster.md': renderReference(),
    'cli.md': renderCli(await createProgram()),
    'errors.md': renderErrors(readErrorSources()),
    'metrics.md': renderMetrics({ agent: createMetrics(), node: createNodeMetrics(), heal: createHealMetrics() }),
    'rules.md': renderRules(rules),
  };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(await renderPages())) writeFileSync(join(root, 'docs/reference', name), text);
}
