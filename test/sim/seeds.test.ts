import { expect, test } from 'vitest';
import { runSeed } from '../../src/sim/run.ts';

const SEEDS = 10_000;

test(`${SEEDS} seeds of crashes, freezes, partitions, loss, reordering and drift: at most one holder, and a holder once a majority is healthy`, () => {
  const failures: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = runSeed({ seed });
    if (violations.length > 0) failures.push(`${violations[0]}; replay with: ./hale sim --seed ${seed}`);
  }
  expect(failures).toEqual([]);
});

test('the test of the test: clocks off by six times the stated bound are caught', () => {
  let violations = 0;
  for (let seed = 1; seed <= 500; seed++) violations += runSeed({ seed, driftBound: 0.03 }).violations.length;
  expect(violations).toBeGreaterThan(0);
});

test('a seed replays to the letter', () => {
  const trace = (): string[] => {
    const lines: string[] = [];
    runSeed({ seed: 4, onTrace: (line) => lines.push(line) });
    return lines;
  };
  const first = trace();
  expect(first.length).toBeGreaterThan(5);
  expect(trace()).toEqual(first);
});
