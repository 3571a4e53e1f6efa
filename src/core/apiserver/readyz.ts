import { printable } from '../../base/printable.ts';
import type { ProbeResult } from '../balancer/health.ts';
import { refusalText } from './refusal.ts';

/** Enough for every check that a kube-apiserver has. */
const REASON_CHARS_MAX = 2000;

/** The check that fails from SIGTERM on, for good (apiserver, pkg/server/healthz). */
const SHUTDOWN = 'shutdown';

/** Names of the checks that fail, in the order of the answer to `/readyz`, which on failure is always the verbose one (apiserver, pkg/server/healthz). */
export function failingChecks(body: string): string[] {
  return body.split('\n').flatMap((line) => {
    const name = /^\[-\](\S+)/.exec(line)?.[1];
    const shown = printable(name ?? '').trim();
    return shown === '' ? [] : [shown];
  });
}

/** What an answer to `/readyz` says. The reason is one line without anything that a terminal would obey. */
export function judgeReadiness(status: number, body: string): ProbeResult {
  if (status === 200) return { outcome: 'ready' };
  if (status === 401 || status === 403) {
    const reason = `HTTP ${status}: it runs, but refuses /readyz to clients without credentials; allow that (--anonymous-auth, or anonymous.conditions in --authentication-config, and the ClusterRoleBinding system:public-info-viewer)`;
    return { outcome: 'not-ready', reason };
  }
  const failing = failingChecks(body);
  if (failing.length === 0) return { outcome: 'not-ready', reason: refusalText({ status, body: body.trim().split('\n')[0] }) };
  const others = failing.filter((name) => name !== SHUTDOWN);
  const failed = `failing: ${others.join(', ')}`.slice(0, REASON_CHARS_MAX);
  if (others.length === failing.length) return { outcome: 'not-ready', reason: failed };
  return { outcome: 'leaving', reason: others.length === 0 ? 'shutting down' : `shutting down; ${failed}` };
}
