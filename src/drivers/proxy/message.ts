import type { DatapathPlan } from '../../core/balancer/plan.ts';

/** What the agent tells the proxy's thread. */
export type ToProxy =
  | { kind: 'listen'; fds: number[] }
  | { kind: 'apply'; plan: DatapathPlan }
  | { kind: 'reset' }
  | { kind: 'drain'; graceMs: number };

/** What the proxy's thread tells the agent. */
export type FromProxy =
  | { kind: 'refused'; backend: string }
  | { kind: 'connections'; count: number }
  | { kind: 'listening' }
  | { kind: 'reset-done' }
  | { kind: 'drained' };
