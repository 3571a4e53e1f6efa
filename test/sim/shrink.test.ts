import { expect, test } from 'vitest';
import { generateScenario } from '../../src/sim/generate.ts';
import { runScenario } from '../../src/sim/run.ts';
import { formatScenario, parseScenario } from '../../src/sim/scenario-text.ts';
import { shrink } from '../../src/sim/shrink.ts';

test('a seed that fails is shrunk to a few events, and still fails when read back', () => {
  const driftBound = 0.05;
  const made = firstFailing(driftBound);
  const short = shrink(made, 'two-answer');
  const again = parseScenario(formatScenario(short));
  expect(runScenario(again).violations.map(({ kind }) => kind)).toContain('two-answer');
  expect(short.events.length).toBeLessThanOrEqual(3);
  expect(short.events.length).toBeLessThan(made.events.length);
  expect(short.endMs).toBeLessThan(made.endMs);
});

function firstFailing(driftBound: number) {
  for (let seed = 1; ; seed++) {
    const made = generateScenario({ seed, driftBound });
    if (made.events.length > 5 && runScenario(made).violations.some(({ kind }) => kind === 'two-answer')) return made;
  }
}
