import { expect, test } from 'vitest';
import {
  type BackendHealth,
  createBackendHealth,
  type ProbeResult,
  probeTimeoutMs,
  receiveProbe,
} from '../../../src/core/balancer/health.ts';
import { chooseBackend } from '../../../src/core/balancer/plan.ts';
import { healthProfiles } from '../../../src/core/balancer/timing.ts';

const timing = healthProfiles.default;
const ready: ProbeResult = { outcome: 'ready' };
const unreachable: ProbeResult = { outcome: 'unreachable', reason: 'no connection' };
const silent: ProbeResult = { outcome: 'silent', reason: 'no answer' };
const refused: ProbeResult = { outcome: 'refused', reason: 'connection refused' };
const leaving: ProbeResult = { outcome: 'leaving', reason: 'shutting down' };
const notReady: ProbeResult = { outcome: 'not-ready', reason: 'HTTP 500' };

function after(results: ProbeResult[], start: BackendHealth = createBackendHealth(0)): string {
  return results.reduce((health, result, now) => receiveProbe(health, result, { startedAt: now, now, timing }), start).state;
}

/** Silent from `startedAt` 0 on, each probe as long as it may take, one after the other. */
function silence(start: BackendHealth): { at: number; state: string }[] {
  const seen: { at: number; state: string }[] = [];
  let health = start;
  for (let startedAt = 0; startedAt < 20_000 && health.state !== 'dead'; ) {
    const now = startedAt + probeTimeoutMs(health, timing);
    const next = receiveProbe(health, silent, { startedAt, now, timing });
    if (next.state !== health.state) seen.push({ at: now, state: next.state });
    health = next;
    startedAt = Math.max(now, startedAt + timing.intervalMs);
  }
  return seen;
}

test('the first answer decides, so that a starting agent need not wait', () => {
  expect([after([ready]), after([refused]), after([unreachable]), after([silent]), after([notReady])]).toEqual([
    'ready',
    'dead',
    'dead',
    'draining',
    'draining',
  ]);
});

test('one lost probe does not take a backend out, `fall` in a row do', () => {
  expect(after([ready, unreachable, unreachable])).toBe('ready');
  expect(after([ready, unreachable, unreachable, ready, unreachable, unreachable])).toBe('ready');
  expect(after([ready, unreachable, unreachable, unreachable])).toBe('dead');
});

test('one that says that it is shutting down gets no new connections from the first such answer on, and keeps those it has', () => {
  expect(after([ready, leaving])).toBe('draining');
  expect(after([ready, leaving, leaving, leaving, leaving])).toBe('draining');
  expect(after([ready, leaving, ready])).toBe('draining');
});

test('what is under way may end after one that is shutting down has closed its port', () => {
  const reset: ProbeResult = { outcome: 'reset', reason: 'ECONNRESET' };
  expect(after([ready, leaving, refused, refused, refused])).toBe('draining');
  expect(after([ready, leaving, reset, refused, refused])).toBe('draining');
  expect(after([ready, leaving, refused, unreachable, unreachable, unreachable])).toBe('dead');
  // It came back, and was killed.
  expect(after([ready, leaving, refused, ready, ready, refused])).toBe('dead');
  expect(after([ready, leaving, ready, ready, refused])).toBe('dead');
  let health = createBackendHealth(0);
  for (const [now, result] of [ready, leaving, refused].entries()) health = receiveProbe(health, result, { startedAt: now, now, timing });
  expect(receiveProbe(health, refused, { startedAt: 60_000, now: 60_000, timing }).state).toBe('draining');
  expect(receiveProbe(health, refused, { startedAt: 60_001, now: 60_001, timing }).state).toBe('dead');
});

test('one that takes connections and is slow gets no new ones, and keeps those it has until it has been silent for very long', () => {
  expect(after([ready, silent])).toBe('ready');
  expect(after([ready, silent, ready, silent])).toBe('ready');
  expect(after([ready, silent, silent])).toBe('draining');
  const readyNow: BackendHealth = { state: 'ready', reason: 'ok', since: 0, against: 0, isSlow: false, closingUntil: 0 };
  const [slow, dead] = silence(readyNow);
  expect(slow).toEqual({ at: 2 * timing.timeoutMs, state: 'draining' });
  expect(dead?.state).toBe('dead');
  expect(dead?.at).toBeGreaterThanOrEqual(timing.hungMs);
  expect(dead?.at).toBeLessThan(timing.hungMs + timing.patienceMs);
});

test('an API server whose etcd is away answers within the patience, and is then only not ready', () => {
  for (const profile of Object.values(healthProfiles)) expect(profile.patienceMs).toBeGreaterThan(4000);
  const slow = [ready, silent, silent, notReady].reduce(
    (health, result, now) => receiveProbe(health, result, { startedAt: now, now, timing }),
    createBackendHealth(0),
  );
  expect(slow).toMatchObject({ state: 'draining', reason: 'HTTP 500' });
  // And what it was silent before does not count any more.
  expect(receiveProbe(slow, silent, { startedAt: 60_000, now: 60_500, timing }).state).toBe('draining');
});

test('one that was slow is waited for until it is ready in time, so that what it says stays known', () => {
  let health = createBackendHealth(0);
  const waitsFor = (result: ProbeResult, now: number): number => {
    health = receiveProbe(health, result, { startedAt: 0, now, timing });
    return probeTimeoutMs(health, timing);
  };
  expect([ready, silent].map((result) => waitsFor(result, 500))).toEqual([timing.timeoutMs, timing.timeoutMs]);
  expect(waitsFor(silent, 500)).toBe(timing.patienceMs);
  expect(waitsFor(notReady, 4100)).toBe(timing.patienceMs);
  expect(waitsFor(notReady, 10)).toBe(timing.patienceMs);
  expect(waitsFor(ready, 4100)).toBe(timing.patienceMs);
  expect(waitsFor(ready, 10)).toBe(timing.timeoutMs);
  // Its host dies while it is slow.
  expect([silent, silent, notReady].map((result) => waitsFor(result, 500)).at(-1)).toBe(timing.patienceMs);
  expect(waitsFor(unreachable, timing.patienceMs)).toBe(timing.timeoutMs);
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
