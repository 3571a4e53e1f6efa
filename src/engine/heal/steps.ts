import { HaleError } from '../../base/error.ts';
import type { DrainSettings, HealStep } from '../../core/cluster/heal.ts';
import type { Refusal } from '../../core/heal/brakes.ts';
import { forbiddenText } from '../../core/heal/drain/sort.ts';
import type { DrainConfig, DrainOutcome } from '../../core/heal/drain/state.ts';
import { type NodeFacts, podKey } from '../../core/heal/facts.ts';
import { workedOnBy } from '../../core/heal/foreign.ts';
import { MAINTENANCE, OUT_OF_SERVICE, REMEDY, type RemedyRecord, remedyOf } from '../../core/heal/record.ts';
import type { StepResult } from '../../core/heal/state.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Effect } from '../../ports/effect.ts';
import type { NodeApi, NodeChange } from '../../ports/node-api.ts';
import type { Power, PowerState, PowerTarget } from '../../ports/power.ts';
import type { Remote } from '../../ports/remote.ts';
import { pause } from '../etcd/pause.ts';
import { type DrainProgress, DrainRun } from './drain.ts';

export interface StepTools {
  api: NodeApi;
  clock: Clock;
  /** Undefined where `heal.power.by` is none. */
  power: Power | undefined;
  remote: Remote;
  drain: DrainSettings;
  /** How long a host may take until it is off. */
  offMs: number;
  /** `bmc` of the host in cluster.yaml; empty when it has none. */
  bmcOf: (node: string) => string;
  /** Asked once more before a control-plane host is stopped: why it must not be. */
  mayStop: (node: NodeFacts) => Promise<Refusal | undefined>;
  onProgress: (node: string, progress: DrainProgress) => void;
}

export interface StepJob {
  node: NodeFacts;
  step: HealStep;
  /** Of the remedy that the step belongs to: what changes the node is done only while that stands there as it is here. Undefined by hand: while the mark of that does. */
  record: RemedyRecord | undefined;
  /** Whether its kubelet gives no sign. */
  isSilent: boolean;
  /** Whether the controller may still act: it may have been frozen since it began. */
  mayAct: () => boolean;
}

/** A step under way. */
export interface StepRun {
  ended: Promise<StepResult>;
  /** Stops it where that can be done: a drain, and an order that was not given yet; what was ordered runs to its end. */
  cancel(): void;
}

const POLL_MS = 1000;
/** What the Pods of a host that is off may take to be gone from the API. */
const GIVEN_UP_MS = 60_000;

/** Carries a step out. Each can be carried out twice, and finds what is done already. */
export function runStep(job: StepJob, tools: StepTools): StepRun {
  if (job.step === 'drain') return drainStep(job, tools);
  let cancelled = false;
  const ended = carryOut({ ...job, mayAct: () => !cancelled && job.mayAct() }, tools);
  return { ended, cancel: () => (cancelled = true) };
}

async function carryOut(job: StepJob, tools: StepTools): Promise<StepResult> {
  const { node, step } = job;
  const stops = step === 'power-off' || step === 'reboot' || step === 'replace';
  const refusal = stops ? await tools.mayStop(node) : undefined;
  if (refusal !== undefined) return { kind: 'failed', reason: `${refusal.brake}: ${refusal.text}` };
  const stopped = stops ? await stoppedBy(job, tools) : undefined;
  if (stopped !== undefined) return stopped;
  switch (step) {
    case 'cordon':
      return await resultOf(changeOwn(job, tools, () => ({ unschedulable: true })));
    case 'power-off':
      return await powerOff(job, tools);
    case 'out-of-service':
      return await giveUp(job, tools);
    case 'power-on':
      return await withPower(tools, (power) => resultOf(power.on(targetOf(job, tools))));
    case 'reboot':
      return await resultOf(tools.remote.reboot(targetOf(job, tools)));
    case 'replace':
      return await resultOf(tools.remote.replace(targetOf(job, tools)));
    default:
      throw new Error(`${step} is not carried out here`);
  }
}

/** Asked last before a host is stopped: that cannot be taken back, and another controller may have gone on meanwhile. */
async function stoppedBy(job: StepJob, { api }: StepTools): Promise<StepResult | undefined> {
  const now = await api.node(job.node.name);
  if (now === undefined || !isSameWork(job, now)) return { kind: 'failed', reason: OVERTAKEN };
  return job.mayAct() ? undefined : { kind: 'cancelled' };
}

const OVERTAKEN = 'what was to be done to it has gone on, or is over';

function isSameWork({ record }: StepJob, node: NodeFacts): boolean {
  if (record === undefined) return node.annotations[MAINTENANCE] !== undefined;
  const now = remedyOf(node);
  return now !== undefined && now.startedAtMs === record.startedAtMs && now.step === record.step;
}

/** Changes the node of a remedy while that is at this step: a controller that was frozen or cut off since it read the node is too late. */
function changeOwn(job: StepJob, { api }: StepTools, change: (node: NodeFacts) => NodeChange): Promise<Effect> {
  return changeNode(api, job.node.name, (node) => (isSameWork(job, node) ? { ...change(node), version: node.version } : OVERTAKEN));
}

async function resultOf(effect: Promise<Effect>): Promise<StepResult> {
  const result = await effect;
  return result.ok ? { kind: 'done' } : { kind: 'failed', reason: result.reason };
}

function targetOf({ node }: StepJob, { bmcOf }: StepTools): PowerTarget {
  return { node: node.name, address: node.internalIp ?? '', bmc: bmcOf(node.name) };
}

async function withPower({ power }: StepTools, work: (power: Power) => Promise<StepResult>): Promise<StepResult> {
  return power === undefined ? { kind: 'stuck', reason: 'heal.power.by is none: nothing switches hosts off and on' } : await work(power);
}

/** Returns when whoever answers for the power says that it is off. */
function powerOff(job: StepJob, tools: StepTools): Promise<StepResult> {
  const { clock, offMs } = tools;
  return withPower(tools, async (power) => {
    const target = targetOf(job, tools);
    const ordered = await power.off(target);
    if (!ordered.ok) return { kind: 'failed', reason: ordered.reason };
    const until = clock.now() + offMs;
    for (;;) {
      const state = await power.state(target);
      if (state.kind === 'off') return { kind: 'done' };
      if (clock.now() >= until)
        return { kind: 'failed', reason: `${power.name}: no proof that it is off: ${state.kind === 'on' ? 'it is on' : state.reason}` };
      await pause(clock, POLL_MS);
    }
  });
}

/**
 * With proof that the host is off its Pods and volumes are given up: the taint has Kubernetes detach the volumes, and the Pods are ended here, which Kubernetes would do
 * within 20 s as well.
 */
function giveUp(job: StepJob, tools: StepTools): Promise<StepResult> {
  const { api, clock } = tools;
  const { name } = job.node;
  return withPower(tools, async (power) => {
    const unproven = (state: PowerState): StepResult => ({
      kind: 'failed',
      reason: `${power.name}: no proof that it is off: ${state.kind === 'unknown' ? state.reason : 'it is on'}`,
    });
    const state = await power.state(targetOf(job, tools));
    if (state.kind !== 'off') return unproven(state);
    const tainted = await changeOwn(job, tools, ({ taints }) => ({
      taints: [...taints.filter(({ key }) => key !== OUT_OF_SERVICE.key), OUT_OF_SERVICE],
    }));
    if (!tainted.ok) return { kind: 'failed', reason: tainted.reason };
    const until = clock.now() + GIVEN_UP_MS;
    for (;;) {
      const pods = (await api.pods({ node: name })).filter((pod) => !pod.isMirror && pod.owner !== null && pod.owner.kind !== 'DaemonSet');
      if (pods.length === 0 || clock.now() >= until) return { kind: 'done' };
      // Nobody confirms the end of these Pods: it must be as certain each time as the first.
      const still = await power.state(targetOf(job, tools));
      if (still.kind !== 'off') return unproven(still);
      if (!job.mayAct()) return { kind: 'cancelled' };
      await Promise.all(pods.map((pod) => api.deletePod(pod, { graceSeconds: 0 })));
      await pause(clock, POLL_MS);
    }
  });
}

function drainStep(job: StepJob, tools: StepTools): StepRun {
  const { node, isSilent } = job;
  const cancel: { run?: DrainRun; asked: boolean } = { asked: false };
  const ended = (async (): Promise<StepResult> => {
    const cordoned = await changeOwn(job, tools, () => ({ unschedulable: true }));
    if (!cordoned.ok) return { kind: 'failed', reason: cordoned.reason };
    if (cancel.asked) return { kind: 'cancelled' };
    const { api, clock, drain, onProgress } = tools;
    const config = drainConfig(drain, { nodes: [node.name], silent: isSilent ? [node.name] : [] });
    cancel.run = new DrainRun({ api, clock, config, onProgress: (progress) => onProgress(node.name, progress) });
    return drainResult(await cancel.run.ended, drain.atDeadline);
  })();
  const stop = (): void => {
    cancel.asked = true;
    cancel.run?.cancel();
  };
  return { ended, cancel: stop };
}

export function drainConfig(
  settings: DrainSettings,
  { nodes, silent }: { nodes: readonly string[]; silent: readonly string[] },
): DrainConfig {
  const { unmanagedPods, emptyDirPods, graceSeconds, deadlineSeconds, atDeadline, parallel } = settings;
  return {
    nodes,
    silent,
    unmanagedPods,
    emptyDirPods,
    graceSeconds,
    deadlineMs: deadlineSeconds * 1000,
    atDeadline: atDeadline === 'delete' ? 'delete' : 'give-up',
    parallel,
  };
}

function drainResult(outcome: DrainOutcome, atDeadline: DrainSettings['atDeadline']): StepResult {
  if (outcome.kind === 'drained') return { kind: 'done' };
  if (outcome.kind === 'cancelled') return { kind: 'cancelled' };
  if (outcome.kind === 'deadline' && atDeadline === 'continue') return { kind: 'done' };
  return { kind: 'stuck', reason: outcomeText(outcome) };
}

const LISTED_MAX = 3;

/** Why a drain did not end well, in a line. */
export function outcomeText(outcome: Extract<DrainOutcome, { kind: 'forbidden' | 'deadline' }>): string {
  const lines =
    outcome.kind === 'forbidden'
      ? outcome.pods.map(({ pod, why }) => `${podKey(pod)}: ${forbiddenText(pod, why)}`)
      : outcome.left.map(({ pod, phase, reason }) => `${podKey(pod)}: ${reason === '' ? phase : reason}`);
  const more = lines.length > LISTED_MAX ? `, and ${lines.length - LISTED_MAX} more` : '';
  const what = outcome.kind === 'forbidden' ? 'Pods that nobody allowed to end' : 'the deadline passed with Pods left';
  return `${what}: ${lines.slice(0, LISTED_MAX).join('; ')}${more}`;
}

/** What `heal` and `node` set on a node and take back. */
export interface TakeBack {
  cordoned: boolean;
  tainted: boolean;
}

/** Uncordons, and removes taint and annotations, whatever else has changed meanwhile. */
export function takeBack(api: NodeApi, node: string, set: TakeBack): Promise<Effect> {
  return changeNode(api, node, (now) => ({ ...without(now, set), annotations: { [REMEDY]: null, [MAINTENANCE]: null } }));
}

/** The same for one remedy, once: not when it is over already, or somebody else has begun to work on the node. */
export function takeRemedyBack(api: NodeApi, node: string, record: RemedyRecord): Promise<Effect> {
  return changeNode(api, node, (now) => {
    if (remedyOf(now)?.startedAtMs !== record.startedAtMs) return undefined;
    const by = workedOnBy(now);
    return by === undefined ? { ...without(now, record), annotations: { [REMEDY]: null } } : `somebody else works on it: ${by}`;
  });
}

function without({ taints, version }: NodeFacts, { cordoned, tainted }: TakeBack): NodeChange {
  return {
    ...(cordoned ? { unschedulable: false } : {}),
    ...(tainted ? { taints: taints.filter(({ key }) => key !== OUT_OF_SERVICE.key) } : {}),
    version,
  };
}

const CONFLICTS_MAX = 5;

/** Changes a node on the ground of what it is now; anew when somebody else was faster. `change` may find nothing to do, or say why it must not be done. */
export async function changeNode(
  api: NodeApi,
  name: string,
  change: (node: NodeFacts) => NodeChange | string | undefined,
): Promise<Effect> {
  for (let attempt = 0; attempt < CONFLICTS_MAX; attempt++) {
    const node = await api.node(name).catch((error: unknown) => {
      if (error instanceof HaleError) return error;
      throw error;
    });
    if (node instanceof HaleError) return { ok: false, reason: node.message };
    if (node === undefined) return { ok: false, reason: `there is no node ${name} any more` };
    const wanted = change(node);
    if (wanted === undefined) return { ok: true };
    if (typeof wanted === 'string') return { ok: false, reason: wanted };
    const result = await api.changeNode(name, wanted);
    if (result.kind === 'changed') return { ok: true };
    if (result.kind === 'failed') return { ok: false, reason: result.reason };
  }
  return { ok: false, reason: `node ${name} changes all the time: ${CONFLICTS_MAX} attempts came too late` };
}
