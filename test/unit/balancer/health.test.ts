import { expect, test } from 'vitest';
import { type BackendHealth, createBackendHealth, type ProbeResult, receiveProbe } from '../../../src/core/balancer/health.ts';
import { chooseBackend } from '../../../src/core/balancer/plan.ts';
import { healthProfiles } from '../../../src/core/balancer/timing.ts';

const timing = healthProfiles.default;
const ready: ProbeResult = { outcome: 'ready' };
const silent: ProbeResult = { outcome: 'unreachable', reason: 'no answer' };
const refused: ProbeResult = { outcome: 'refused', reason: 'connection refused' };
const notReady: ProbeResult = { outcome: 'not-ready', reason: 'HTTP 500' };

function after(results: ProbeResult[], start: BackendHealth = createBackendHealth(0)): string {
  return results.reduce((health, result, now) => receiveProbe(health, result, { now, timing }), start).state;
}

test('the first answer decides, so that a starting agent need not wait', () => {
  expect([after([ready]), after([refused]), after([silent]), after([notReady])]).toEqual(['ready', 'dead', 'dead', 'draining']);
});

test('one slow probe does not take a backend out, `fall` in a row do', () => {
  expect(after([ready, silent, silent])).toBe('ready');
  expect(after([ready, silent, silent, ready, silent, silent])).toBe('ready');
  expect(after([ready, silent, silent, silent])).toBe('dead');
});

test('a refused connection counts at once', () => {
  expect(after([ready, refused])).toBe('dead');
});

test('one lucky probe does not bring a backend back, `rise` in a row do', () => {
  expect(after([refused, ready])).toBe('dead');
  expect(after([refused, ready, ready])).toBe('ready');
});

test('an API server that says it is not ready keeps its established connections', () => {
  expect(after([ready, notReady, notReady, notReady])).toBe('draining');
});

const backend = (name: string, state: BackendHealth['state'], connections: number) => ({ name, state, connections });

test('new connections go to the ready backend with the fewest, and equals take turns', () => {
  const backends = [backend('a', 'ready', 2), backend('b', 'ready', 1), backend('c', 'dead', 0), backend('d', 'ready', 1)];
  expect(chooseBackend(backends, { after: 0, except: new Set() })?.name).toBe('b');
  expect(chooseBackend(backends, { after: 1, except: new Set() })?.name).toBe('d');
});

test('with none ready a draining one is tried before a dead one, and none twice', () => {
  const lost = [backend('a', 'dead', 0), backend('b', 'draining', 7)];
  expect(chooseBackend(lost, { after: 1, except: new Set() })?.name).toBe('b');
  expect(chooseBackend(lost, { after: 1, except: new Set(lost.slice(1)) })?.name).toBe('a');
  const backends = [backend('a', 'dead', 0), backend('b', 'unknown', 3)];
  expect(chooseBackend(backends, { after: 1, except: new Set() })?.name).toBe('b');
  expect(chooseBackend(backends, { after: 1, except: new Set(backends) })).toBeUndefined();
});
