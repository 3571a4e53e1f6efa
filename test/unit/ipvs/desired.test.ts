import { expect, test } from 'vitest';
import type { BackendState } from '../../../src/core/balancer/health.ts';
import type { DatapathPlan } from '../../../src/core/balancer/plan.ts';
import { differenceOf, weightedServers } from '../../../src/drivers/linux/ipvs/desired.ts';
import { RemovalWatch } from '../../../src/drivers/linux/ipvs/removal-watch.ts';

const frontend = { address: '10.0.0.100', port: 6443 };
const plan = (...states: BackendState[]): DatapathPlan => ({
  self: 0,
  frontends: [frontend],
  backends: states.map((state, i) => ({ name: `cp${i + 1}`, address: `10.0.0.1${i + 1}`, port: 6443, state })),
});
const weights = (...states: BackendState[]) =>
  weightedServers(plan(...states), frontend).map(({ address, weight }) => `${address.at(-1)}:${weight}`);

test('weights follow health: ready takes connections, draining and unknown keep theirs, dead is gone', () => {
  expect(weights('ready', 'draining', 'unknown')).toEqual(['1:1', '2:0', '3:0']);
  expect(weights('ready', 'dead', 'ready')).toEqual(['1:1', '3:1']);
});

test('the best there is takes connections: all draining, not yet probed, all dead', () => {
  expect(weights('draining', 'dead', 'draining')).toEqual(['1:1', '3:1']);
  expect(weights('unknown', 'unknown', 'unknown')).toEqual(['1:1', '2:1', '3:1']);
  expect(weights('dead', 'dead', 'dead')).toEqual(['1:1', '2:1', '3:1']);
});

test('a frontend has the real servers of its own family only', () => {
  const backends = [...plan('ready').backends, { name: 'cp2', address: 'fd00::12', port: 6443, state: 'ready' as const }];
  const dual = { ...plan(), backends };
  expect(weightedServers(dual, frontend).map(({ address }) => address)).toEqual(['10.0.0.11']);
  expect(weightedServers(dual, { address: 'fd00::100', port: 6443 }).map(({ address }) => address)).toEqual(['fd00::12']);
});

test('whoever takes connections is changed before those that stop, and what is right is left alone', () => {
  const wanted = [
    { address: '10.0.0.11', port: 6443, weight: 0 },
    { address: '10.0.0.12', port: 6443, weight: 1 },
    { address: '10.0.0.13', port: 6443, weight: 1 },
  ];
  const present = (address: string, weight: number) => ({
    address,
    port: 6443,
    weight,
    masquerading: true,
    active: 0,
    counters: undefined,
  });
  const service = { ...frontend, scheduler: 'lc', counters: undefined };
  const servers = [present('10.0.0.11', 1), present('10.0.0.13', 1), present('10.0.0.99', 1)];
  const { changes, surplus } = differenceOf(frontend, wanted, { service, servers });
  expect(changes.map(({ found }) => found)).toEqual([
    'real server 10.0.0.12:6443 of virtual server 10.0.0.100:6443 was missing',
    'real server 10.0.0.11:6443 of virtual server 10.0.0.100:6443 had the weight 1',
  ]);
  expect(surplus.map(({ address }) => address)).toEqual(['10.0.0.99']);
});

test('the way out is said from the second removal on, once a minute, and for IPv6 with its own prefix', () => {
  let now = 0;
  const watch = new RemovalWatch({ now: () => now, at: () => ({ cancel() {} }) });
  const removed = (name = '10.0.0.100:6443') => watch.explain(`virtual server ${name} was missing`);
  expect(removed()).not.toContain('excludeCIDRs');
  expect(removed()).toContain('excludeCIDRs: ["10.0.0.100/32"]');
  now = 59_999;
  expect(removed()).not.toContain('excludeCIDRs');
  now = 60_000;
  expect(removed('[fd00::100]:6443')).toContain('excludeCIDRs: ["fd00::100/128"]');
  expect(watch.explain('real server 10.0.0.11:6443 was too many')).toBe('real server 10.0.0.11:6443 was too many');
});
