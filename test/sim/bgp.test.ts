/** One BGP speaker among simulated routers that run the same machine: what must hold in every life, and that its monitors see what is broken. */
import { describe, expect, test } from 'vitest';
import { runBgp, type BgpRunOptions } from '../../src/sim/bgp/run.ts';
import { type BgpMutation, bgpMutations } from './bgp-mutations.ts';
import { mutated } from './mutants.ts';

type Simulator = typeof import('../../src/sim/bgp/run.ts');

const SIMULATOR = "export { runBgp } from './src/sim/bgp/run.ts';";
const SEEDS = Array.from({ length: 30 }, (_, i) => i + 1);
const life = (seed: number): BgpRunOptions => ({ seed, peers: 6, faultsMs: 120_000 });

/** Of the first life in which there is one of the kind. */
async function findMutant(mutation: BgpMutation) {
  const simulator = await mutated<Simulator>(mutation, SIMULATOR);
  for (const seed of SEEDS) {
    const found = simulator.runBgp(life(seed)).violations.find(({ kind }) => kind === mutation.kind);
    if (found !== undefined) return found;
  }
  return undefined;
}

describe('lives with faults', () => {
  test('connections that are lost, links that are cut, routers that crash, BFD, other routes: all comes right, and nothing is wrong meanwhile', () => {
    for (const seed of SEEDS) expect({ seed, ...runBgp(life(seed)) }).toMatchObject({ seed, violations: [] });
  });

  test('the lives hold what they should: faults, sessions that began again, collisions', () => {
    const lives = SEEDS.slice(0, 5).map((seed) => runBgp(life(seed)));
    for (const { faults, sessions, collisions } of lives) {
      expect(faults).toBeGreaterThan(50);
      expect(sessions).toBeGreaterThan(12);
      expect(collisions).toBeGreaterThan(0);
    }
  });

  test('the same seed gives the same life', () => {
    expect(runBgp(life(7))).toEqual(runBgp(life(7)));
    expect(runBgp(life(7))).not.toEqual(runBgp(life(8)));
  });
});

test('a thousand sessions of one speaker: all are Established, all routers have the routes, and a quiet minute loses none', () => {
  const result = runBgp({ seed: 1, peers: 1000, faultsMs: 0 });
  expect(result.violations).toEqual([]);
  expect(result.sessions).toBeGreaterThanOrEqual(1000);
  expect(result.allEstablishedAfterMs).toBeDefined();
  expect(result.allConvergedAfterMs).toBeDefined();
});

test.each(bgpMutations)('a planted bug is found: $name ($kind)', async (mutation) => {
  expect(await findMutant(mutation)).toMatchObject({ kind: mutation.kind });
});
