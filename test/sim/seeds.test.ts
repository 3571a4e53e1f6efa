import { expect, test } from 'vitest';
import { generateLife, generateScenario } from '../../src/sim/generate.ts';
import { runScenario } from '../../src/sim/run.ts';
import type { Scenario } from '../../src/sim/scenario.ts';

const SEEDS = 1_500;

function violationsOf(scenarios: Iterable<Scenario>): string[] {
  return [...scenarios].flatMap((scenario) => runScenario(scenario).violations.map(({ text }) => `${scenario.notes[0]}: ${text}`));
}

function* seeds(count: number, make: (seed: number) => Scenario): Generator<Scenario> {
  for (let seed = 1; seed <= count; seed++) yield make(seed);
}

test(`${SEEDS} seeds of faults and changes on uneven networks: one holder at most, one soon after a majority is healthy, hand-overs without a gap`, () => {
  expect(violationsOf(seeds(SEEDS, (seed) => generateScenario({ seed })))).toEqual([]);
});

test('long, mostly calm lives: the address stays where it is', () => {
  expect(violationsOf(seeds(5, (seed) => generateLife({ seed })))).toEqual([]);
});

test('the test of the test: clocks off by six times the stated bound are caught, within a thousand seeds also as two who answer', () => {
  const kinds = new Set<string>();
  for (const scenario of seeds(1_000, (seed) => generateScenario({ seed, driftBound: 0.03 }))) {
    for (const { kind } of runScenario(scenario).violations) kinds.add(kind);
    if (kinds.has('two-answer')) break;
  }
  expect(kinds).toEqual(new Set(['no-majority', 'two-answer']));
});

test('a seed replays to the letter', () => {
  const trace = (): string[] => {
    const lines: string[] = [];
    runScenario(generateScenario({ seed: 4 }), (line) => lines.push(line));
    return lines;
  };
  const first = trace();
  expect(first.length).toBeGreaterThan(5);
  expect(trace()).toEqual(first);
});
