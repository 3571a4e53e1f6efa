import type { HealPolicy, HealRule, HealStep } from '../cluster/heal.ts';
import type { EtcdLook } from './brakes.ts';
import type { Heartbeat, NodeFacts } from './facts.ts';
import type { Verdict } from './plan.ts';
import type { RemedyRecord } from './record.ts';
import type { Seen } from './sight.ts';

export interface ControllerConfig {
  policy: HealPolicy;
  rules: readonly HealRule[];
  /** Decides and tells, and changes nothing. */
  dryRun: boolean;
}

/** The maps are the machine's own and change in place: a copy of thousands of nodes for each of hundreds of events a second would be the most of its work. */
export interface ControllerState {
  config: ControllerConfig;
  /** Owner of the Lease. */
  active: boolean;
  /** Unix time at the zero point of the machine's clock. */
  wallOffsetMs: number;
  seen: Map<string, Seen>;
  /** The last renewals heard of, also of nodes that are not known yet. */
  known: { nodes: boolean; heartbeats: boolean };
  /** Which of its ways to the API fail, since when, and why. */
  failing: Map<ApiPath, { at: number; reason: string }>;
  /** Whether it went on for long enough that what was seen before counts no more. */
  wasDegraded: boolean;
  /** Whether too few nodes were healthy when it last decided. */
  wereFewHealthy: boolean;
  settledAt: number;
  paused: string | undefined;
  etcd: { look: EtcdLook; at: number } | undefined;
  etcdAskedAt: number;
  /** Steps that are carried out now. */
  running: Map<string, HealStep>;
  /** Nodes whose record is being written or taken back. */
  writing: Set<string>;
  /** Nodes whose first record is being written, or may have been by a write that failed: until when they count. */
  beginning: Map<string, number>;
  /** Steps that are done and not written down yet: a write that came too late is done again, not the step. */
  done: Map<string, { startedAtMs: number; step: number }>;
  /** When it last decided; undefined when it did not since it became active. */
  decidedAt: number | undefined;
  retryAt: Map<string, number>;
  /** In a dry run: what would be in the nodes. */
  shadow: Map<string, Shadow>;
  /** What was last told of each node, so that only news is told. */
  told: Map<string, string>;
  nextAt: number;
}

/** The annotations REMEDY and HISTORY as they would be. */
export interface Shadow {
  remedy?: string | undefined;
  history?: string;
}

/** By which the controller notices that it cannot rely on the API. */
export type ApiPath = 'nodes' | 'heartbeats' | 'readyz';

export type ControllerInput =
  | { kind: 'tick'; wallMs: number }
  | { kind: 'active'; active: boolean }
  | { kind: 'policy'; config: ControllerConfig }
  | { kind: 'paused'; by: string | undefined }
  | { kind: 'nodes'; items: readonly NodeFacts[] }
  | { kind: 'node'; item: NodeFacts }
  | { kind: 'node-gone'; name: string }
  | { kind: 'heartbeats'; items: readonly Heartbeat[] }
  | { kind: 'heartbeat'; item: Heartbeat }
  | { kind: 'api'; path: ApiPath; problem: string | undefined }
  | { kind: 'etcd'; look: EtcdLook }
  /** Answer to `write`: the node as it is now, or nothing when it was not written. */
  | { kind: 'written'; node: string; now: NodeFacts | undefined }
  /** `startedAtMs`: of the remedy to which the step belonged. */
  | { kind: 'step-ended'; node: string; step: HealStep; startedAtMs: number; result: StepResult }
  /** Answer to `take-back`. */
  | { kind: 'taken-back'; node: string; problem: string | undefined };

export type StepResult =
  | { kind: 'done' }
  /** To be tried again. */
  | { kind: 'failed'; reason: string }
  /** Trying again would not help: a person decides. */
  | { kind: 'stuck'; reason: string }
  | { kind: 'cancelled' };

export type ControllerOutput =
  /** Put the record into the node, unless somebody has changed it since `version`; with a history where the remedy begins. */
  | { kind: 'write'; node: string; version: string; record: RemedyRecord; history?: readonly number[] }
  | { kind: 'run'; node: NodeFacts; step: HealStep; record: RemedyRecord; isSilent: boolean }
  /** Stop the step that runs at the node, if it can be stopped. */
  | { kind: 'cancel'; node: string }
  /** Take cordon, taint and record back. */
  | { kind: 'take-back'; node: NodeFacts; record: RemedyRecord }
  | { kind: 'look-at-etcd' }
  | { kind: 'tell'; node: NodeFacts; verdict: Verdict };
