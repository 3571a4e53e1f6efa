import type { ProxySettings } from '../../core/balancer/proxy.ts';
import type { DatapathPlan } from '../../core/balancer/plan.ts';

/** What the proxy's thread is given at its start. */
export interface ProxyStart {
  plan: DatapathPlan;
  /** Listening sockets, one for each frontend of the plan; they belong to the thread from then on. */
  fds: number[];
  settings: ProxySettings;
  /** Written by the thread, read by the agent whenever it likes: see `Counter`. */
  counters: Int32Array;
}

/** Places in the shared counters. */
export const Counter = { connections: 0, shed: 1, closed: 2, length: 3 } as const;

/** What the agent tells the proxy's thread. */
export type ToProxy =
  | { kind: 'apply'; plan: DatapathPlan }
  | { kind: 'reset' }
  | { kind: 'drain'; graceMs: number }
  /** Everything is given back, and the thread ends. */
  | { kind: 'close' };

/** What the proxy's thread tells the agent. */
export type FromProxy =
  | { kind: 'refused'; backend: string }
  /** Clients were turned away, at most said once a minute for each reason: `limit`, or the error that kept the proxy from accepting. */
  | { kind: 'shed'; reason: string }
  | { kind: 'listening' }
  | { kind: 'reset-done' }
  | { kind: 'drained' };
