import { describe, expect, test } from 'vitest';
import { readCorpus } from '../fuzz/corpus.ts';
import { startCoverage } from '../fuzz/coverage.ts';
import { fuzz, type FuzzOptions } from '../fuzz/fuzz.ts';

const coverage = startCoverage(['/src/', '/test/fuzz/planted.ts']);
// After the line above: only what is compiled from then on is watched in blocks.
const { targets } = await import('../fuzz/targets/index.ts');
const { endlessLoop, nestedMagic } = await import('../fuzz/planted.ts');

const SEED = 20;
const upTo =
  (limit: number): FuzzOptions['goOn'] =>
  ({ executions, findings }) =>
    executions < limit && findings === 0;
const options = (limit: number): FuzzOptions => ({ coverage, seed: SEED, corpus: [], goOn: upTo(limit) });

describe('the fuzzer finds what is planted', () => {
  test('a bug behind three nested bytes, which the same inputs without coverage do not reach', () => {
    const found = fuzz(nestedMagic, options(20_000));
    expect(found.findings.map(({ error, input }) => [error.message, [...input]])).toEqual([['the planted bug', [0x76, 0x69, 0x70]]]);
    expect(fuzz(nestedMagic, { ...options(20_000), guided: false }).findings).toEqual([]);
  });

  test('a loop without an end', () => {
    const { findings } = fuzz(endlessLoop, options(2000));
    expect(findings.map(({ kind, input }) => [kind, input.includes(0)])).toEqual([['hang', true]]);
  });

  test('the same seed gives the same run', () => {
    const [one, two] = [fuzz(nestedMagic, options(3000)), fuzz(nestedMagic, options(3000))];
    expect(one.pool.length).toBeGreaterThan(1);
    expect(two.pool).toEqual(one.pool);
  });
});

describe('readers of bytes from outside, over the corpus and what is made from it', () => {
  test.each(targets.map((target) => [target.name, target] as const))('%s', (name, target) => {
    const { findings, executions } = fuzz(target, { ...options(target.quickExecutions ?? 2000), guided: false, corpus: readCorpus(name) });
    const told = findings.map(({ kind, error, input }) => `${kind}: ${error.stack}\ninput: ${Buffer.from(input).toString('hex')}`);
    expect(told, target.property).toEqual([]);
    expect(executions).toBeGreaterThan(0);
  });
});
