import type { HealPolicy, HealRule } from '../cluster/heal.ts';
import type { EtcdView } from '../etcd/view.ts';
import { isControlPlane, type NodeFacts, zoneOf } from './facts.ts';
import { workedOnBy } from './foreign.ts';
import { countOf, isOpen, windowsText } from './policy.ts';
import { lossOf } from './quorum.ts';
import { historyOf, remedyOf, type RemedyRecord } from './record.ts';

/** Names of the brakes, in the order in which they are asked; docs/guide/heal.md explains each. */
export const BRAKES = [
  'paused',
  'api-degraded',
  'settling',
  'half-unhealthy',
  'maintenance',
  'back-off',
  'window',
  'control-plane',
  'etcd-maintenance',
  'etcd-unknown',
  'etcd-quorum',
  'at-once',
  'zone',
  'hourly',
] as const;
export type Brake = (typeof BRAKES)[number];

/** Why nothing is done to a node: the brake, and the facts in words. */
export interface Refusal {
  brake: Brake;
  text: string;
}

/** What the brakes look at, beside the node itself. */
export interface Situation {
  policy: HealPolicy;
  wallMs: number;
  /** Who paused the controllers besides the policy, and why. */
  paused: string | undefined;
  /** Why this controller cannot rely on the API now. */
  degraded: string | undefined;
  /** How much longer it only looks, in ms. */
  settlingMs: number;
  nodes: readonly NodeFacts[];
  /** Names of those that are healthy and under no remedy. */
  healthy: ReadonlySet<string>;
  /** As last looked at; undefined when that is too long ago, or was not wanted yet. `none`: etcd is not on these hosts. */
  etcd: EtcdLook | undefined;
}

export type EtcdLook =
  | { kind: 'seen'; view: EtcdView; operation: string | undefined }
  | { kind: 'unknown'; reason: string }
  | { kind: 'none' };

const refuse = (brake: Brake, text: string): Refusal => ({ brake, text });
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Of all nodes: nothing that harms one may begin, or go on. */
export function clusterBrake({ policy, paused, degraded, settlingMs, nodes, healthy }: Situation): Refusal | undefined {
  if (policy.paused) return refuse('paused', '`paused` of the policy is true');
  if (paused !== undefined) return refuse('paused', `paused by ${paused}`);
  if (degraded !== undefined) return refuse('api-degraded', degraded);
  if (settlingMs > 0)
    return refuse('settling', `this controller has seen the nodes for too short a time; ${Math.ceil(settlingMs / 1000)} s more`);
  return halfBrake({ policy, nodes, healthy });
}

/** Control-plane hosts have brakes of their own, and would hide that every second worker is gone. */
export function halfBrake({ policy, nodes, healthy }: Pick<Situation, 'policy' | 'nodes' | 'healthy'>): Refusal | undefined {
  const { healthyPercentMin } = policy.limits;
  const workers = nodes.filter((node) => !isControlPlane(node));
  const counted = workers.length === 0 ? nodes : workers;
  const well = counted.filter(({ name }) => healthy.has(name)).length;
  if (well * 100 >= healthyPercentMin * counted.length) return undefined;
  const which = workers.length === 0 ? 'nodes' : 'worker nodes';
  return refuse(
    'half-unhealthy',
    `${well} of ${counted.length} ${which} are healthy, and at least ${healthyPercentMin} % must be: nothing is done to any`,
  );
}

/** Of the host's part in the control plane: whether it may be taken away now, whoever asks (healing, or `hale node`). */
export function controlPlaneBrake(
  node: NodeFacts,
  { nodes, etcd, beginning = [] }: Pick<Situation, 'nodes' | 'etcd'> & { beginning?: readonly NodeFacts[] },
): Refusal | undefined {
  if (!isControlPlane(node)) return undefined;
  const others = nodes.filter((other) => other.name !== node.name && isControlPlane(other));
  const begins = new Set(beginning.map(({ name }) => name));
  const busy = others.find((other) => remedyOf(other) !== undefined || workedOnBy(other) !== undefined || begins.has(other.name));
  if (busy !== undefined) {
    const rule = remedyOf(busy)?.rule;
    const why = workedOnBy(busy) ?? (rule === undefined ? 'its remedy begins now' : `rule ${rule}`);
    return refuse('control-plane', `one control-plane host at a time: ${busy.name} is under work already (${why})`);
  }
  if (etcd === undefined) return refuse('etcd-unknown', 'etcd was not asked yet whether it can do without this host');
  if (etcd.kind === 'none') return undefined;
  if (etcd.kind === 'unknown') return refuse('etcd-unknown', `whether etcd can do without this host is not known: ${etcd.reason}`);
  if (etcd.operation !== undefined) return refuse('etcd-maintenance', `an operation on etcd is under way: ${etcd.operation}`);
  const { bearable, text } = lossOf(etcd.view, node, others);
  return bearable ? undefined : refuse('etcd-quorum', text);
}

/** Nodes under a remedy, in this plan and before. */
export interface Busy {
  nodes: NodeFacts[];
  /** Remedies begun within the last hour. */
  begunWithinHour: number;
}

/** Whether a remedy of this rule may begin at this node, after the brakes of the whole cluster. */
export function nodeBrake(
  node: NodeFacts,
  { rule, situation, busy }: { rule: HealRule; situation: Situation; busy: Busy },
): Refusal | undefined {
  const { policy, wallMs, nodes } = situation;
  const by = workedOnBy(node);
  if (by !== undefined) return refuse('maintenance', `somebody else works on it: ${by}`);
  const untilMs = leftAloneUntil(historyOf(node, wallMs), policy.limits.backOffSeconds * 1000);
  if (untilMs > wallMs) return refuse('back-off', `it was remedied before; left alone for ${durationText(untilMs - wallMs)} more`);
  if (!isOpen(rule.windows, wallMs)) return refuse('window', `rule ${rule.name} begins only in its windows: ${windowsText(rule.windows)}`);
  const controlPlane = controlPlaneBrake(node, { ...situation, beginning: busy.nodes });
  if (controlPlane !== undefined) return controlPlane;
  const { limits } = policy;
  const atOnce = countOf(limits.atOnce, nodes.length);
  if (busy.nodes.length >= atOnce)
    return refuse(
      'at-once',
      `${namesOf(busy.nodes)} ${busy.nodes.length === 1 ? 'is' : 'are'} under a remedy, and at most ${atOnce} may be`,
    );
  return zoneBrake(node, { situation, busy }) ?? hourlyBrake({ limits, busy });
}

function zoneBrake(node: NodeFacts, { situation, busy }: { situation: Situation; busy: Busy }): Refusal | undefined {
  const zone = zoneOf(node);
  const inZone = busy.nodes.filter((other) => zoneOf(other) === zone);
  const size = situation.nodes.filter((other) => zoneOf(other) === zone).length;
  const most = countOf(situation.policy.limits.atOncePerZone, size);
  if (inZone.length < most) return undefined;
  const place = zone === '' ? 'of those without a zone' : `in zone ${zone}`;
  return refuse('zone', `${namesOf(inZone)} ${place} ${inZone.length === 1 ? 'is' : 'are'} under a remedy, and at most ${most} may be`);
}

function hourlyBrake({ limits, busy }: { limits: HealPolicy['limits']; busy: Busy }): Refusal | undefined {
  if (busy.begunWithinHour < limits.perHour) return undefined;
  return refuse('hourly', `${busy.begunWithinHour} remedies were begun within the last hour, and at most ${limits.perHour} may be`);
}

/** Unix time; doubled with each remedy within the last day, up to a day. */
function leftAloneUntil(history: readonly number[], backOffMs: number): number {
  const last = history.at(-1);
  return last === undefined ? 0 : last + Math.min(DAY_MS, backOffMs * 2 ** (history.length - 1));
}

export function begunWithinHour(nodes: readonly NodeFacts[], wallMs: number): number {
  return nodes.reduce((sum, node) => sum + historyOf(node, wallMs).filter((time) => time > wallMs - HOUR_MS).length, 0);
}

/** Whether the record counts against the limits: a remedy that has failed waits for a person, with the node cordoned. */
export function isBusy(record: RemedyRecord | undefined): boolean {
  return record !== undefined && record.state !== 'failed';
}

const NAMES_MAX = 3;

function namesOf(nodes: readonly NodeFacts[]): string {
  const names = nodes.slice(0, NAMES_MAX).map(({ name }) => name);
  return nodes.length > NAMES_MAX ? `${names.join(', ')} and ${nodes.length - NAMES_MAX} more` : names.join(', ');
}

export function durationText(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
