import type { DrainSettings } from '../../core/cluster/heal.ts';
import { fateOf, forbiddenText } from '../../core/heal/drain/sort.ts';
import type { DrainOutcome, PodPhase } from '../../core/heal/drain/state.ts';
import { type NodeFacts, podKey, type PodFacts } from '../../core/heal/facts.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { DrainRun } from '../../engine/heal/drain.ts';
import { drainConfig } from '../../engine/heal/steps.ts';
import type { NodeApi } from '../../ports/node-api.ts';
import type { Progress } from '../progress.ts';
import { table } from '../table.ts';

/** What a drain would do, a row a node; Pods that forbid it below. */
export function renderDrainPlan(nodes: readonly NodeFacts[], pods: readonly PodFacts[], settings: DrainSettings): string {
  const rows = nodes.map(({ name }) => {
    const fates = pods.filter(({ node }) => node === name).map((pod) => fateOf(pod, settings));
    const count = (kind: string) => String(fates.filter((fate) => fate.kind === kind).length);
    return [name, count('evict'), count('leave'), count('forbidden')];
  });
  const forbidden = pods.flatMap((pod) => {
    const fate = fateOf(pod, settings);
    return fate.kind === 'forbidden' ? [`  ${pod.node}: ${podKey(pod)}: ${forbiddenText(pod, fate.why)}\n`] : [];
  });
  const way = '--force allows Pods without a controller, --delete-emptydir-data those with emptyDir volumes';
  const more = forbidden.length === 0 ? '' : `Not allowed, so nothing is begun (${way}):\n${forbidden.join('')}`;
  return `${table(['NODE', 'EVICT', 'STAY', 'NOT ALLOWED'], rows)}${more}`;
}

export interface DrainedPod {
  pod: string;
  node: string;
  /** From the beginning of the drain, in ms. */
  goneAfterMs: number;
}

export interface LiveDrain {
  api: NodeApi;
  nodes: readonly { name: string; isSilent: boolean }[];
  settings: DrainSettings;
  progress: Progress;
  signal: AbortSignal;
}

/** Drains and tells, Pod by Pod. */
export async function drainLive({
  api,
  nodes,
  settings,
  progress,
  signal,
}: LiveDrain): Promise<{ outcome: DrainOutcome; pods: DrainedPod[]; tookMs: number }> {
  const startedAt = boottime.now();
  const phases = new Map<string, PodPhase>();
  const pods: DrainedPod[] = [];
  const run = new DrainRun({
    api,
    clock: boottime,
    config: drainConfig(settings, {
      nodes: nodes.map(({ name }) => name),
      silent: nodes.filter(({ isSilent }) => isSilent).map(({ name }) => name),
    }),
    onProgress: ({ pod, phase, reason }) => {
      phases.set(pod.uid, phase);
      const key = podKey(pod);
      if (phase === 'gone') pods.push({ pod: key, node: pod.node, goneAfterMs: Math.round(boottime.now() - startedAt) });
      if (phase === 'gone') progress.step(`${pod.node}: ${key} is gone`);
      if (phase === 'blocked') progress.step(`${pod.node}: ${key} waits: ${reason}`);
      progress.at(countsText([...phases.values()]));
    },
  });
  const cancel = () => run.cancel();
  signal.addEventListener('abort', cancel);
  if (signal.aborted) cancel();
  const outcome = await run.ended;
  signal.removeEventListener('abort', cancel);
  progress.end();
  return { outcome, pods, tookMs: Math.round(boottime.now() - startedAt) };
}

function countsText(phases: readonly PodPhase[]): string {
  const of = (...wanted: PodPhase[]): number => phases.filter((phase) => wanted.includes(phase)).length;
  return `${of('gone')} gone, ${of('asked', 'ending')} on their way, ${of('blocked')} wait for their budgets`;
}
