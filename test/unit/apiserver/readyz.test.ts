import { expect, test } from 'vitest';
import { failingChecks, judgeReadiness } from '../../../src/core/apiserver/readyz.ts';

const answer = (...failing: string[]): string =>
  ['ping', 'log', 'etcd', 'poststarthook/rbac/bootstrap-roles', 'shutdown']
    .map((name) => (failing.includes(name) ? `[-]${name} failed: reason withheld\n` : `[+]${name} ok\n`))
    .join('')
    .concat('readyz check failed\n');

test('every failing check is named, on one line', () => {
  expect(failingChecks(answer())).toEqual([]);
  expect(failingChecks(answer('etcd', 'poststarthook/rbac/bootstrap-roles'))).toEqual(['etcd', 'poststarthook/rbac/bootstrap-roles']);
  expect(judgeReadiness(200, 'ok')).toEqual({ outcome: 'ready' });
  expect(judgeReadiness(500, answer('etcd'))).toEqual({ outcome: 'not-ready', reason: 'failing: etcd' });
  expect(judgeReadiness(500, answer('ping', 'etcd', 'log'))).toEqual({ outcome: 'not-ready', reason: 'failing: ping, log, etcd' });
});

test('a server that is shutting down is told from one that is not ready', () => {
  expect(judgeReadiness(500, answer('shutdown'))).toEqual({ outcome: 'leaving', reason: 'shutting down' });
  expect(judgeReadiness(500, answer('etcd', 'shutdown'))).toEqual({ outcome: 'leaving', reason: 'shutting down; failing: etcd' });
});

test('what to do about a refusal is said, and anything else is told in its own first line', () => {
  for (const status of [401, 403]) {
    expect(judgeReadiness(status, '{"kind":"Status"}')).toEqual({
      outcome: 'not-ready',
      reason: expect.stringMatching(new RegExp(`^HTTP ${status}: .*/readyz.*anonymous`)),
    });
  }
  expect(judgeReadiness(503, 'apiserver\u001b[2J is\nbusy')).toEqual({ outcome: 'not-ready', reason: 'HTTP 503: apiserver [2J is' });
  expect(judgeReadiness(502, '')).toEqual({ outcome: 'not-ready', reason: 'HTTP 502' });
});
