/** How long the Pods of a dead node are away: Kubernetes alone with its defaults, and with hale, in the same lab. */
import { quantile } from '../../src/base/stats.ts';
import { healingScenarioByName, type HealingScenario } from '../../src/core/drill/healing/scenario.ts';
import { runHealingDrill } from '../../src/lab/healing/run.ts';
import { createLab } from '../../src/lab/lab.ts';
import { markdownTable } from '../machine.ts';

/** Kubernetes takes 50 s to notice and 300 s more until Pods leave; a StatefulSet's are waited for as long as this. */
const KUBERNETES_MS = 480_000;
const NODES = 20;

export interface DeathResult {
  nodes: number;
  subjects: { name: string; runs: { deploymentMs: number | null; statefulSetMs: number | null }[] }[];
}

export async function death({
  runs,
  say,
  signal,
}: {
  runs: number;
  say: (line: string) => void;
  signal: AbortSignal;
}): Promise<DeathResult> {
  const scenario = healingScenarioByName('node-dead') as HealingScenario;
  const alone = { ...scenario, undoAfterMs: KUBERNETES_MS, observeMs: KUBERNETES_MS };
  const subjects = [
    { name: 'Kubernetes with its defaults', scenario: alone, withoutHealing: true, runs: [] as DeathResult['subjects'][number]['runs'] },
    { name: 'hale heal, with power', scenario, withoutHealing: false, runs: [] },
  ];
  const lab = await createLab({ name: 'bench-heal', nodes: NODES, progress: say, signal });
  try {
    for (let run = 1; run <= runs; run++) {
      for (const subject of subjects) {
        signal.throwIfAborted();
        const { result } = await runHealingDrill(lab, subject.scenario, {
          withoutHealing: subject.withoutHealing,
          progress: say,
          signal,
        });
        const { 'drill/data': statefulSetMs = null, ...deployments } = result.measurement.replacedMs;
        const times = Object.values(deployments);
        // The last of those that had a Pod there.
        const deploymentMs = times.length === 0 || times.includes(null) ? null : Math.max(...(times as number[]));
        subject.runs.push({ deploymentMs, statefulSetMs });
        say(`run ${run}, ${subject.name}: Deployments ${secondsOf(deploymentMs)}, StatefulSet ${secondsOf(statefulSetMs)}`);
      }
    }
  } finally {
    await lab.down();
  }
  return { nodes: NODES, subjects: subjects.map(({ name, runs: all }) => ({ name, runs: all })) };
}

const secondsOf = (ms: number | null): string => (ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`);

export function renderDeath({ nodes, subjects }: DeathResult): string {
  const cell = (values: (number | null)[]): string => {
    const known = values.filter((value) => value !== null);
    if (known.length < values.length) return `${values.length - known.length} of ${values.length} never within ${KUBERNETES_MS / 1000} s`;
    return `${(quantile(known, 0.5) / 1000).toFixed(1)} s (${(Math.min(...known) / 1000).toFixed(1)} to ${(Math.max(...known) / 1000).toFixed(1)})`;
  };
  const rows = subjects.map(({ name, runs }) => [
    name,
    cell(runs.map(({ deploymentMs }) => deploymentMs)),
    cell(runs.map(({ statefulSetMs }) => statefulSetMs)),
  ]);
  return `## Healing: a node of ${nodes} dies, runs of each subject: ${subjects[0]?.runs.length ?? 0}

From the death until every Pod that was there is ready elsewhere, median (and range), as a watch of its own saw it. kwok stands in for kubelets; whoever switches the power answers at once.

${markdownTable(['', 'Pods of Deployments', 'Pods of a StatefulSet'], rows)}`;
}
