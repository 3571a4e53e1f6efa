/** Fifty nodes with 2,000 Pods under budgets are drained: hale in one command, and kubectl in a loop; a watch of its own looks whether every budget was kept. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageFolder } from '../../src/drivers/program.ts';
import type { BudgetWatchRecord } from '../../src/lab/budgets/record.ts';
import { startBudgetWatch } from '../../src/lab/budgets/start.ts';
import { kubectlOrFail } from '../../src/lab/kubernetes/kubectl.ts';
import { createWorkload, removeWorkload } from '../../src/lab/kubernetes/workload.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { markdownTable } from '../machine.ts';

const DRAINED = 50;
const DEPLOYMENTS = 40;
const REPLICAS = 50;
const MAX_UNAVAILABLE = 5;
const NAMESPACE = 'drain';
const SETTLE_MS = 5000;

interface Subject {
  name: string;
  /** Runs in the client's host. */
  argv(nodes: readonly string[]): string[];
}

interface DrainRun {
  tookMs: number;
  code: number;
  /** Pods left on the nodes afterwards. */
  left: number;
  evictions: number;
  violations: number;
  gaps: number;
}

export interface DrainBenchResult {
  subjects: { name: string; runs: DrainRun[] }[];
}

export async function drainBench({
  runs,
  say,
  signal,
}: {
  runs: number;
  say: (line: string) => void;
  signal: AbortSignal;
}): Promise<DrainBenchResult> {
  const lab = await createLab({ name: 'bench-drain', nodes: 2 * DRAINED, progress: say, signal });
  const subjects = subjectsOf(lab).map((subject) => ({ ...subject, runs: [] as DrainRun[] }));
  const names = Array.from({ length: 2 * DRAINED }, (_, i) => `node-${i + 1}`);
  const [first, second] = [names.slice(0, DRAINED), names.slice(DRAINED)];
  try {
    for (let run = 1; run <= runs; run++) {
      for (const subject of subjects) {
        signal.throwIfAborted();
        say(`run ${run}, ${subject.name}: making ${DEPLOYMENTS * REPLICAS} Pods on ${DRAINED} nodes`);
        await removeWorkload(lab, NAMESPACE);
        await kubectlOrFail(lab, ['uncordon', ...first]);
        await kubectlOrFail(lab, ['cordon', ...second]);
        await createWorkload(lab, {
          namespace: NAMESPACE,
          deployments: DEPLOYMENTS,
          replicas: REPLICAS,
          budget: { maxUnavailable: MAX_UNAVAILABLE },
          timeoutSeconds: 600,
        });
        await kubectlOrFail(lab, ['uncordon', ...second]);
        await sleep(SETTLE_MS);
        subject.runs.push(await measure(lab, { subject, nodes: first }));
        const last = subject.runs.at(-1) as DrainRun;
        say(`run ${run}, ${subject.name}: ${(last.tookMs / 1000).toFixed(1)} s, ${last.left} Pods left, ${last.violations} violations`);
      }
    }
  } finally {
    await lab.down();
  }
  return { subjects: subjects.map(({ name, runs: all }) => ({ name, runs: all })) };
}

function subjectsOf({ plan }: Lab): Subject[] {
  const programs = 'programs' in plan.kubernetes ? plan.kubernetes.programs : undefined;
  const drainOne = `${programs?.kubectl} --cache-dir=/run/kubectl --kubeconfig=/etc/kubernetes/admin.conf drain --ignore-daemonsets --delete-emptydir-data --force`;
  const hale = [
    join(packageFolder, 'hale'),
    'node',
    'drain',
    '--config',
    '/etc/hale/cluster.yaml',
    '--kubeconfig',
    '/etc/kubernetes/admin.conf',
    '--yes',
    '--parallel',
    '500',
    '--timeout',
    '1800',
  ];
  return [
    { name: 'hale node drain, all nodes in one command', argv: (nodes) => [...hale, ...nodes] },
    {
      name: 'kubectl drain, one node after another',
      argv: (nodes) => ['sh', '-c', `for node in ${nodes.join(' ')}; do ${drainOne} $node || exit; done`],
    },
  ];
}

async function measure(lab: Lab, { subject, nodes }: { subject: Subject; nodes: readonly string[] }): Promise<DrainRun> {
  const watch = await startBudgetWatch(lab);
  const startedAt = performance.now();
  const { code } = await lab.client.exec(subject.argv(nodes));
  const tookMs = Math.round(performance.now() - startedAt);
  const { budgets, violations, gaps }: BudgetWatchRecord = await watch.stop();
  const stdout = await kubectlOrFail(lab, ['get', 'pods', '-n', NAMESPACE, '-o', 'jsonpath={range .items[*]}{.spec.nodeName} {end}']);
  const left = stdout.split(' ').filter((node) => nodes.includes(node)).length;
  const mine = budgets.filter(({ budget }) => budget.startsWith(`${NAMESPACE}/`));
  return { tookMs, code, left, evictions: mine.reduce((sum, { losses }) => sum + losses.eviction, 0), violations: violations.length, gaps };
}

export function renderDrainBench({ subjects }: DrainBenchResult): string {
  const rows = subjects.map(({ name, runs }) => {
    const took = runs.map(({ tookMs }) => `${(tookMs / 1000).toFixed(1)} s`).join(', ');
    const sum = (of: (run: DrainRun) => number) => String(runs.reduce((total, run) => total + of(run), 0));
    return [
      name,
      took,
      sum(({ evictions }) => evictions),
      sum(({ left }) => left),
      sum(({ violations }) => violations),
      sum(({ gaps }) => gaps),
    ];
  });
  return `## Draining: ${DRAINED} nodes with ${DEPLOYMENTS * REPLICAS} Pods of ${DEPLOYMENTS} Deployments, each with a budget of at most ${MAX_UNAVAILABLE} of ${REPLICAS} unavailable

A Pod takes 1 to 3 s to end and 1 to 3 s to be ready (kwok). Budgets were watched by a program of its own from the events of Pods; with no gap it saw all of them.

${markdownTable(['', 'took, each run', 'evictions', 'Pods left', 'violations of a budget', 'gaps in the watch'], rows)}`;
}
