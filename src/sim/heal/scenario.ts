import type { HealPolicy, HealRule } from '../../core/cluster/heal.ts';

/** A cluster, its policy, and what happens to it: all that a run depends on, beside the code. */
export interface HealScenario {
  seed: number;
  zones: number;
  workers: number;
  /** Whether something switches hosts off and on. */
  hasPower: boolean;
  /** Whether no budget ever allows a disruption, instead of one or two. */
  hasTightBudgets?: boolean;
  policy: HealPolicy;
  rules: readonly HealRule[];
  faults: readonly HealFault[];
  /** From then on everything works again, except hosts that only a remedy brings back. */
  calmAtMs: number;
  /** How long after that everything may take to be as it was. */
  calmMs: number;
}

export interface HealFault {
  atMs: number;
  /** Until it ends by itself; what has none ends when calm begins, or with a remedy. */
  forMs?: number;
  fault: Fault;
}

export const STRIKES = [
  'read',
  'begin',
  'cordon',
  'evict',
  'power-off',
  'out-of-service',
  'delete',
  'power-on',
  'reboot',
  'take-back',
] as const;
/** What a controller was about to do when it was struck. */
export type Strike = (typeof STRIKES)[number];
export type Blow = 'kill' | 'freeze' | 'apart';

export type Fault =
  /** The kernel hangs, until the power is cycled. */
  | { kind: 'hang'; host: string }
  /** The power is gone and comes back, and the host with it. */
  | { kind: 'outage'; host: string }
  /** Its hardware does not come up any more, until it is repaired. */
  | { kind: 'broken'; host: string }
  /** The kubelet ends; what runs goes on. */
  | { kind: 'kubelet'; host: string }
  /** Hosts do not reach the API; what runs goes on. */
  | { kind: 'cut'; hosts: readonly string[] }
  /** Silent for `offMs`, heard for `onMs`, and again. */
  | { kind: 'flap'; host: string; offMs: number; onMs: number }
  /** A condition that lasts until the host boots. */
  | { kind: 'condition'; host: string; type: string }
  | { kind: 'api-down' }
  /** Calls take up to twice as long as anybody waits. */
  | { kind: 'api-slow' }
  | { kind: 'watches' }
  /** Management controllers that do not answer. */
  | { kind: 'bmc'; hosts: readonly string[] }
  /** To the active controller now, or to the n-th. */
  | { kind: 'controller'; which: 'active' | number; blow: Blow }
  /** To the controller that is about to do that next. */
  | { kind: 'strike'; on: Strike; blow: Blow }
  | { kind: 'pause' }
  /** A person cordons it. */
  | { kind: 'person'; host: string }
  /** Another controller marks it. */
  | { kind: 'mark'; host: string; taint?: string; annotation?: readonly [string, string] };
