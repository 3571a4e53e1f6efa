import { expect, test } from 'vitest';
import { controlPlaneNames, workerNames, zoneAt } from '../../src/sim/heal/world.ts';
import { generateHealScenario } from '../../src/sim/heal/generate.ts';
import { runHealScenario } from '../../src/sim/heal/run.ts';
import type { HealScenario } from '../../src/sim/heal/scenario.ts';
import { at, deadlock, DEADLOCKED, FREE, scenario } from './heal-scenarios.ts';

const SEEDS = 48;

async function live(one: HealScenario) {
  const trace: string[] = [];
  const result = await runHealScenario(one, (line) => trace.push(line.trim().replace(/^\S+ /, '')));
  const texts = result.violations.map(({ kind, text }) => `${kind}: ${text}`);
  return { ...result, texts, trace, has: (words: string) => trace.some((line) => line.includes(words)) };
}

const hosts = (workers: number) => [...controlPlaneNames(), ...workerNames(workers)];

test(`${SEEDS} seeds of faults of nodes, zones, the API, the power and the controllers themselves: no more harm than allowed, and all is well at the end`, async () => {
  const found: string[] = [];
  let remedies = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = await runHealScenario(generateHealScenario({ seed }));
    remedies += result.remedies;
    found.push(...result.violations.map(({ kind, text }) => `${kind}: ${text}; replay with: ./hale sim heal --seed ${seed}`));
  }
  expect(found).toEqual([]);
  // Much of it healed, lest nothing be found because nothing is done.
  expect(remedies).toBeGreaterThan(100);
});

test('the same with 300 nodes', async () => {
  for (const seed of [101, 102]) expect((await live(generateHealScenario({ seed, workers: 300 }))).texts).toEqual([]);
});

test('a seed replays to the letter', async () => {
  const first = await live(generateHealScenario({ seed: 5 }));
  expect(first.trace.length).toBeGreaterThan(50);
  expect((await live(generateHealScenario({ seed: 5 }))).trace).toEqual(first.trace);
});

test('nothing happens to 300 nodes, and nothing is done', async () => {
  expect(await live(scenario({ workers: 300, calmAtMs: 1_200_000 }))).toMatchObject({ texts: [], remedies: 0, takeovers: 1 });
});

test('node-dead: it is proven off, given up, and back', async () => {
  const run = await live(scenario({ faults: [at(3, { kind: 'hang', host: 'w5' })] }));
  expect(run).toMatchObject({ texts: [], remedies: 1 });
  const steps = [
    'remedy by rule unreachable',
    'cordon at w5: done',
    'w5 power-off, ordered',
    'w5 is out of service',
    'power-on at w5: done',
    'w5 is up',
    'took back w5: done',
  ];
  const places = steps.map((words) => run.trace.findIndex((line) => line.includes(words)));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test('node-flapping: shorter than the signal nothing is done, longer it is left alone for longer each time', async () => {
  const flap = (offMs: number) => scenario({ faults: [at(3, { kind: 'flap', host: 'w5', offMs, onMs: 30_000 }, 50)] });
  expect(await live(flap(15_000))).toMatchObject({ texts: [], remedies: 0 });
  const long = await live(flap(70_000));
  // In 50 minutes, with a back-off of 10 and 20: three, where it was cut off thirty times.
  expect(long).toMatchObject({ texts: [], remedies: 3 });
});

test('zone-dead: of 100 nodes of 300 as many at once as may be, and those that come back by themselves are left alone', async () => {
  const dead = hosts(300).filter((_, i) => zoneAt(i, 3) === 'zone-1');
  const run = await live(
    scenario({
      workers: 300,
      faults: [at(5, { kind: 'cut', hosts: dead }, 20)],
      policy: { limits: { atOnce: 2, atOncePerZone: 2, perHour: 4 } },
    }),
  );
  expect(run).toMatchObject({ texts: [], remedies: 4 });
});

test('half-the-nodes-unreachable: nothing is done to any, not while they fall silent, nor while they come back', async () => {
  const gone = hosts(300).filter((_, i) => i % 2 === 0);
  const run = await live(scenario({ workers: 300, policy: FREE, faults: [at(5, { kind: 'cut', hosts: gone }, 10)] }));
  expect(run).toMatchObject({ texts: [], remedies: 0 });
  expect(run.has('worker nodes are healthy, and at least 51 % must be')).toBe(true);
});

test('pdb-blocks: the drain waits for its budgets until the deadline, and the host is not stopped', async () => {
  const one = scenario({
    hasTightBudgets: true,
    rules: [deadlock(['cordon', 'drain', 'reboot'])],
    policy: { drain: { deadlineSeconds: 300 }, limits: { backOffSeconds: 3600 } },
    faults: [at(3, { ...DEADLOCKED, host: 'w5' }, 40)],
  });
  const run = await live(one);
  expect(run).toMatchObject({ texts: [], remedies: 1 });
  expect(run.has('drain at w5: stuck (the deadline passed with Pods left: shop/app')).toBe(true);
  expect(run.has('reboot')).toBe(false);
});

test.each(['kill', 'freeze', 'apart'] as const)('controller-dies-mid-drain (%s): another one goes on where it stopped', async (blow) => {
  const one = scenario({
    rules: [deadlock(['cordon', 'drain', 'reboot'])],
    policy: { drain: { parallel: 1 } },
    faults: [at(3, { kind: 'strike', on: 'evict', blow }, 3), at(3, { ...DEADLOCKED, host: 'w5' })],
  });
  const run = await live(one);
  expect(run).toMatchObject({ texts: [], remedies: 1 });
  expect(run.takeovers).toBeGreaterThan(1);
  expect(run.trace.filter((line) => line.includes('reboot at w5: done'))).toHaveLength(1);
});

test('control-plane-node-dead: one is healed; with one that cannot be, the others are not touched', async () => {
  const faults = [at(3, { kind: 'hang', host: 'cp1' })];
  expect(await live(scenario({ faults }))).toMatchObject({ texts: [], remedies: 1 });
  const rules = [deadlock(['cordon', 'drain', 'reboot'])];
  const ill = await live(
    scenario({ rules, faults: [at(3, { kind: 'broken', host: 'cp1' }, 40), at(6, { ...DEADLOCKED, host: 'cp2' }, 30)], policy: FREE }),
  );
  expect(ill).toMatchObject({ texts: [], remedies: 0 });
  expect(ill.has('without cp2: 1 of 3 voters of etcd would answer, 2 are needed')).toBe(true);
});

test('apiserver-degraded: slow, away, or with watches that break, it is not the nodes that are ill', async () => {
  const faults = [
    at(3, { kind: 'api-slow' }, 8),
    at(15, { kind: 'api-down' }, 6),
    at(25, { kind: 'watches' }),
    at(26, { kind: 'watches' }),
    at(30, { kind: 'api-down' }, 0.7),
    at(31, { kind: 'api-slow' }, 2),
  ];
  expect(await live(scenario({ workers: 40, policy: FREE, faults }))).toMatchObject({ texts: [], remedies: 0 });
});
