/** Each planted bug of heal-mutations.ts turns its monitor red. */
import { expect, test } from 'vitest';
import { findHealMutant } from './heal-mutants.ts';
import { type HealMutation, healMutations } from './heal-mutations.ts';
import { runHealScenario } from '../../src/sim/heal/run.ts';

test.each(healMutations)('a planted bug is found: $name ($kind)', async (mutation) => {
  expect(await findHealMutant(mutation)).toMatchObject({ violation: { kind: mutation.kind } });
});

test('without the bugs nothing is wrong in the same lives', async () => {
  for (const { name, life } of healMutations) {
    if (life !== undefined) expect({ name, violations: (await runHealScenario(life)).violations }).toEqual({ name, violations: [] });
  }
});

test('a planted bug that is not in the text any more is an error, not a pass', async () => {
  const [first] = healMutations as [HealMutation];
  await expect(findHealMutant({ ...first, changes: [{ find: 'no such text', replace: '' }] })).rejects.toThrow('exactly once');
});
