import type { BudgetFacts, PodFacts } from '../facts.ts';

export interface DrainConfig {
  /** Nodes whose Pods end. They are cordoned already. */
  nodes: readonly string[];
  /** Nodes of these whose kubelet does not answer: a Pod counts as gone when its end is asked for, since nobody will confirm it. */
  silent: readonly string[];
  unmanagedPods: 'keep' | 'delete';
  emptyDirPods: 'keep' | 'delete';
  /** Undefined: what each Pod says of itself. */
  graceSeconds: number | undefined;
  /** Infinity: for ever. */
  deadlineMs: number;
  /** `delete`: past the deadline Pods are deleted, whatever their budgets say. */
  atDeadline: 'give-up' | 'delete';
  /** Pods on their way out at the same time. */
  parallel: number;
}

/** `asked`: the eviction is under way to the API; `ending`: accepted. */
export type PodPhase = 'waiting' | 'asked' | 'blocked' | 'ending' | 'gone';

export interface PodTrack {
  pod: PodFacts;
  phase: PodPhase;
  /** Why it is blocked; empty otherwise. */
  reason: string;
  /** Not before. */
  retryAt: number;
  failures: number;
  /** Since when it is ending. */
  endingAt: number;
  /** The budgets over it, as of `DrainState.budgetsChanged`. */
  over: { budgets: readonly BudgetTrack[]; as: number } | undefined;
}

export interface BudgetTrack {
  budget: BudgetFacts;
  /** Evictions that it allows still, as far as is known: what it last said, less what was asked since. */
  credit: number;
  /** When it may be asked all the same, because what it last said may be old. */
  probeAt: number;
}

export interface DrainState {
  config: DrainConfig;
  known: { pods: boolean; budgets: boolean };
  startedAt: number;
  deadlineAt: number;
  /** Past the deadline, with `delete`. */
  isDeleting: boolean;
  /** By namespace and name. In place, as in the controller. */
  pods: Map<string, PodTrack>;
  budgets: Map<string, BudgetTrack>;
  /** How often a budget came, went or changed its selector. */
  budgetsChanged: number;
  nextAt: number;
  outcome: DrainOutcome | undefined;
}

export type DrainOutcome =
  /** Every Pod that was to go is gone. */
  | { kind: 'drained'; gone: number }
  /** Not begun. */
  | { kind: 'forbidden'; pods: { pod: PodFacts; why: 'unmanaged' | 'empty-dir' }[] }
  | { kind: 'deadline'; left: { pod: PodFacts; phase: PodPhase; reason: string }[] }
  | { kind: 'cancelled' };

export type DrainInput =
  | { kind: 'tick' }
  | { kind: 'pods'; items: readonly PodFacts[] }
  | { kind: 'pod'; item: PodFacts }
  | { kind: 'pod-gone'; item: PodFacts }
  | { kind: 'budgets'; items: readonly BudgetFacts[] }
  | { kind: 'budget'; item: BudgetFacts }
  | { kind: 'budget-gone'; item: BudgetFacts }
  /** Answer to `evict` or `delete`. */
  | { kind: 'answered'; pod: PodFacts; answer: DrainAnswer }
  | { kind: 'cancel' };

/** What the API said; the same as `EvictResult` of the port. */
export type DrainAnswer =
  | { kind: 'accepted' }
  | { kind: 'gone' }
  | { kind: 'blocked'; budget: string | undefined; reason: string; retryAfterMs: number | undefined }
  | { kind: 'failed'; reason: string };

export type DrainOutput =
  | { kind: 'evict'; pod: PodFacts; graceSeconds: number | undefined }
  | { kind: 'delete'; pod: PodFacts; graceSeconds: number | undefined }
  /** For people. */
  | { kind: 'progress'; pod: PodFacts; phase: PodPhase; reason: string }
  | { kind: 'ended'; outcome: DrainOutcome };
