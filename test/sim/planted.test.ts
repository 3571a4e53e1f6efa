/** A bug planted in the core, a holder that counts on promises for longer than they last, is found by seeds and shrunk to what it takes. */
import { expect, test, vi } from 'vitest';
import { generateScenario } from '../../src/sim/generate.ts';
import { runScenario } from '../../src/sim/run.ts';
import { shrink } from '../../src/sim/shrink.ts';

vi.mock('../../src/core/lease/timing.ts', async (original) => ({
  ...(await original<typeof import('../../src/core/lease/timing.ts')>()),
  holdMs: ({ leaseMs }: { leaseMs: number }) => leaseMs * 1.1,
}));

test('found, and shrunk to few events', () => {
  let found: { seed: number; events: number } | undefined;
  for (let seed = 1; seed <= 300 && found === undefined; seed++) {
    const made = generateScenario({ seed });
    if (!runScenario(made).violations.some(({ kind }) => kind === 'two-answer')) continue;
    const short = shrink(made, 'two-answer');
    expect(runScenario(short).violations.map(({ kind }) => kind)).toContain('two-answer');
    found = { seed, events: short.events.length };
  }
  expect(found?.events).toBeLessThanOrEqual(3);
});
