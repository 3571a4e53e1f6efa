import { expect, test } from 'vitest';
import { beginAnew, heldForMs, isHealthy, isUp, noteFacts, noteHeartbeat, signalKey } from '../../../src/core/heal/sight.ts';
import { condition, node, seen } from './facts.ts';

const deadlock = { condition: 'KernelDeadlock', status: ['True' as const], forSeconds: 60 };
const silent = { heartbeat: 'missing' as const, forSeconds: 40 };
const signals = [deadlock, silent];
const sick = node('n1', { conditions: [condition('Ready', 'True'), condition('KernelDeadlock', 'True')] });

test('a condition holds from when it was first seen, and anew after it was gone', () => {
  const one = seen(node('n1'));
  expect(heldForMs(deadlock, one, 0)).toBeUndefined();
  noteFacts(one, sick, { signals, now: 1000 });
  noteFacts(one, sick, { signals, now: 5000 });
  expect(heldForMs(deadlock, one, 9000)).toBe(8000);
  noteFacts(one, node('n1'), { signals, now: 9500 });
  noteFacts(one, sick, { signals, now: 9600 });
  expect(heldForMs(deadlock, one, 10_000)).toBe(400);
});

test('a condition that the node has not is none, whatever the status asked for', () => {
  const one = seen(node('n1'));
  noteFacts(one, node('n1', { conditions: [] }), {
    signals: [{ condition: 'Ready', status: ['False', 'Unknown'], forSeconds: 1 }],
    now: 0,
  });
  expect(one.since.size).toBe(0);
});

test('a taint by its key, whatever its effect; two statuses are another signal than one of them', () => {
  const one = seen(node('n1'));
  noteFacts(one, node('n1', { taints: [{ key: 'x.io/broken', value: '', effect: 'PreferNoSchedule' }] }), {
    signals: [{ taint: 'x.io/broken', forSeconds: 5 }],
    now: 100,
  });
  expect(heldForMs({ taint: 'x.io/broken', forSeconds: 5 }, one, 300)).toBe(200);
  expect(signalKey({ condition: 'Ready', status: ['False'], forSeconds: 1 })).not.toBe(
    signalKey({ condition: 'Ready', status: ['False', 'Unknown'], forSeconds: 1 }),
  );
});

test('silence shows when it is longer than usual, and at the latest when it is due', () => {
  const one = seen(node('n1'));
  expect(heldForMs(silent, one, 14_999)).toBeUndefined();
  expect(heldForMs(silent, one, 15_000)).toBe(15_000);
  expect(heldForMs({ ...silent, forSeconds: 5 }, one, 5000)).toBe(5000);
});

test('only a renewal that is another one is a sign of life, whatever time it says', () => {
  const one = seen(node('n1'), { heartbeat: { renewedAtMs: 500, at: 0 } });
  expect(noteHeartbeat(one, { node: 'n1', renewedAtMs: 500 }, 9000)).toBe(false);
  expect(one.heartbeat.at).toBe(0);
  // Its clock was set back.
  expect(noteHeartbeat(one, { node: 'n1', renewedAtMs: 400 }, 9000)).toBe(true);
  expect(one.heartbeat.at).toBe(9000);
});

test('up is heard and Ready; healthy is that without a signal', () => {
  const one = seen(node('n1'));
  expect([isUp(one, 39_999), isUp(one, 40_000)]).toEqual([true, false]);
  expect(isUp(seen(node('n1', { conditions: [condition('Ready', 'Unknown')] })), 0)).toBe(false);
  expect(isUp(seen(node('n1', { conditions: [] })), 0)).toBe(false);
  expect(isHealthy(one, { signals, now: 1 })).toBe(true);
  noteFacts(one, sick, { signals, now: 1 });
  expect(isHealthy(one, { signals, now: 1 })).toBe(false);
});

test('beginning anew forgets how long anything was', () => {
  const one = seen(sick, { healthySince: 3 });
  noteFacts(one, sick, { signals, now: 0 });
  beginAnew(one, 50_000);
  expect([heldForMs(silent, one, 50_001), heldForMs(deadlock, one, 50_001), one.healthySince]).toEqual([undefined, 1, 50_000]);
});
