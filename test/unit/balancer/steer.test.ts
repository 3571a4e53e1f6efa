import { expect, test } from 'vitest';
import type { BackendState } from '../../../src/core/balancer/health.ts';
import { steeredBackends } from '../../../src/core/balancer/steer.ts';

test.each<[states: string, self: number | undefined, chosen: number[]]>([
  ['ready ready ready', undefined, [0, 1, 2]],
  ['ready ready ready', 1, [1]],
  ['ready draining ready', 1, [0, 2]],
  ['dead draining dead', 0, [1]],
  ['draining dead draining', 0, [0, 2]],
  ['unknown dead dead', undefined, []],
  ['dead dead dead', 0, []],
])('with %s, of which %s is on this machine, connections go to %j', (states, self, chosen) => {
  expect(steeredBackends(states.split(' ') as BackendState[], self)).toEqual(chosen);
});
