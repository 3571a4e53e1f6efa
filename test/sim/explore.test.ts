import { expect, test } from 'vitest';
import { explore } from '../../src/sim/explore/explore.ts';
import { scopes } from '../../src/sim/explore/scopes.ts';
import { exploreMutant } from './mutants.ts';
import { mutations } from './mutations.ts';

/** `hale sim explore` goes further. */
const STATES_MAX = 60_000;

test.each(scopes)('explored: $name ($about)', (scope) => {
  const { violation, states, complete } = explore(scope, { statesMax: STATES_MAX });
  expect(violation).toBeUndefined();
  expect(complete || states === STATES_MAX).toBe(true);
});

test.each(mutations)('a planted bug is found: $name', async (mutation) => {
  const { exploration, trace } = await exploreMutant(mutation);
  expect(exploration.violation).toBeDefined();
  // A trace has a line for each step, the scope above and the reason below.
  expect(trace.length).toBeGreaterThan(2);
});

test('a planted bug that is not in the text any more is an error, not a pass', async () => {
  const [first] = mutations;
  await expect(exploreMutant({ ...(first as (typeof mutations)[number]), find: 'no such text' })).rejects.toThrow('exactly once');
});
