import { setTimeout as sleep } from 'node:timers/promises';
import { type HealingMeasurement, type HealingRecord, measureHealing } from '../../core/drill/healing/measure.ts';
import type { HealingScenario } from '../../core/drill/healing/scenario.ts';
import { judgeHealing } from '../../core/drill/healing/verdict.ts';
import { HISTORY } from '../../core/heal/record.ts';
import type { Verdict } from '../../core/drill/verdict.ts';
import { HaleError } from '../../base/error.ts';
import { programFile } from '../../drivers/program.ts';
import type { BudgetWatchRecord } from '../budgets/record.ts';
import { startBudgetWatch } from '../budgets/start.ts';
import { recordingFile, requestsOf } from '../drill/instruments.ts';
import { kubectlOrFail } from '../kubernetes/kubectl.ts';
import { createWorkload, removeWorkload, type WorkloadOptions } from '../kubernetes/workload.ts';
import { describeNodes, type Lab } from '../lab.ts';
import { nodePowerCommand } from '../nodes/power.ts';
import { type Instrument, startInstrument } from '../probe/process.ts';
import { startControllers, stopControllers } from './controllers.ts';
import type { SeenByWatch } from './main.ts';
import type { HealingWatchOptions } from './options.ts';
import { type Strike, strike } from './strike.ts';

export interface HealingResult extends Verdict {
  scenario: string;
  /** What stands in for kubelets. */
  nodes: string;
  struck: readonly string[];
  startedAt: string;
  measurement: HealingMeasurement;
}

export interface HealingDrill {
  result: HealingResult;
  record: HealingRecord;
}

export interface HealingDrillOptions {
  progress?: (line: string) => void;
  signal?: AbortSignal;
  /** Kubernetes alone, to compare with. */
  withoutHealing?: boolean;
}

/** Fewer, and the limits could not be told from the size. */
const NODES_MIN = 9;
/** Longer than a controller only looks at its beginning. */
const STEADY_MS = 25_000;
const APPS: WorkloadOptions = {
  namespace: 'drill',
  deployments: 4,
  replicas: 5,
  budget: { maxUnavailable: 1 },
  statefulReplicas: 6,
  daemonSet: true,
  timeoutSeconds: 300,
};
const GUARDED: WorkloadOptions = { namespace: 'guarded', deployments: 1, replicas: 2, budget: { minAvailable: 2 }, timeoutSeconds: 300 };

/** Runs one scenario on a lab with nodes: workload, controllers, watches, fault, observation, verdict. Everything is taken back also when this fails. */
export async function runHealingDrill(lab: Lab, scenario: HealingScenario, options: HealingDrillOptions = {}): Promise<HealingDrill> {
  requireNodes(lab);
  const { progress = () => undefined } = options;
  const workloads = workloadsOf(scenario);
  try {
    progress(`${describeNodes(lab.plan)}; making the workload`);
    for (const workload of workloads) {
      await removeWorkload(lab, workload.namespace);
      await createWorkload(lab, workload);
    }
    // Of the drills before, which would slow this one down.
    await kubectlOrFail(lab, ['annotate', 'nodes', '--all', `${HISTORY}-`]);
    if (options.withoutHealing !== true) await startControllers(lab, healSection(lab, scenario));
    return await observe(lab, scenario, { ...options, workloads });
  } finally {
    await stopControllers(lab);
    for (const { namespace } of workloads) await removeWorkload(lab, namespace);
  }
}

function requireNodes({ plan }: Lab): void {
  if ((plan.nodes?.count ?? 0) >= NODES_MIN) return;
  throw new HaleError({
    code: 'lab_nodes_few',
    kind: 'usage',
    message: `lab ${plan.name} has ${plan.nodes?.count ?? 0} worker nodes, and a drill of nodes needs ${NODES_MIN}`,
    remedy: 'make it anew: hale lab up --nodes 20',
  });
}

/** Pods that take their time to end make the middle of a drain last. */
function workloadsOf({ fault }: HealingScenario): WorkloadOptions[] {
  const apps = fault === 'controller-killed' ? { ...APPS, stopsAfterSeconds: 12 } : APPS;
  return fault === 'sick-behind-budget' ? [apps, GUARDED] : [apps];
}

function healSection(lab: Lab, { fault }: HealingScenario): object {
  return {
    power: { by: 'command', command: nodePowerCommand(lab), offSeconds: 60 },
    rules: [
      { name: 'kernel-deadlock', when: [{ condition: 'KernelDeadlock', status: ['True'], forSeconds: 5 }], steps: ['cordon', 'drain'] },
      {
        name: 'unreachable',
        when: [{ heartbeat: 'missing', forSeconds: 40 }],
        steps: ['cordon', 'power-off', 'out-of-service', 'power-on'],
      },
    ],
    recoverySeconds: 10,
    drain: { deadlineSeconds: fault === 'sick-behind-budget' ? 60 : 180 },
  };
}

interface Observation extends HealingDrillOptions {
  workloads: readonly WorkloadOptions[];
}

async function observe(
  lab: Lab,
  scenario: HealingScenario,
  { workloads, progress = () => undefined, signal }: Observation,
): Promise<HealingDrill> {
  const instruments = await startInstruments(lab, workloads);
  let struck: Strike | undefined;
  try {
    await sleep(STEADY_MS, undefined, { ...(signal && { signal }) });
    const startedAt = new Date().toISOString();
    progress(`${scenario.name}: ${scenario.description}`);
    const app = {
      namespace: (workloads.at(-1) as WorkloadOptions).namespace,
      name: scenario.fault === 'sick-behind-budget' ? 'app-1' : 'data',
    };
    struck = await strike(lab, { fault: scenario.fault, undoAfterMs: scenario.undoAfterMs, app });
    const at = (afterMs: number) =>
      sleep(Math.max(0, (struck as Strike).faultAtMs + afterMs - lab.now()), undefined, { ...(signal && { signal }) });
    progress(`struck: ${struck.struck.join(', ') || 'no node'}`);
    await at(scenario.undoAfterMs);
    progress(`undoing ${scenario.name}`);
    await struck.undo();
    const undoneAtMs = lab.now();
    await at(scenario.observeMs);
    const seen = await instruments.stop();
    const record = recordOf(seen, { struck, undoneAtMs, endAtMs: lab.now(), workloads });
    const measurement = measureHealing(record);
    const result = {
      scenario: scenario.name,
      nodes: describeNodes(lab.plan),
      struck: record.struck,
      startedAt,
      measurement,
      ...judgeHealing(scenario, measurement, record.struck),
    };
    return { result, record };
  } catch (error) {
    await struck?.undo();
    await instruments.abandon();
    throw error;
  }
}

interface Seen {
  seen: SeenByWatch;
  budgets: BudgetWatchRecord;
}

async function startInstruments(
  lab: Lab,
  workloads: readonly WorkloadOptions[],
): Promise<{ stop(): Promise<Seen>; abandon(): Promise<void> }> {
  const { address, port, serverName, caFile } = requestsOf(lab);
  const watchOptions: HealingWatchOptions = {
    address,
    port,
    serverName,
    caFile,
    certFile: '/etc/kubernetes/pki/admin.crt',
    keyFile: '/etc/kubernetes/pki/admin.key',
    namespaces: workloads.map(({ namespace }) => namespace),
    outFile: recordingFile(lab, 'nodes.json'),
  };
  const read = (text: string): SeenByWatch => JSON.parse(text) as SeenByWatch;
  const watch: Instrument<SeenByWatch> = await startInstrument(lab.client.command([]), {
    file: programFile('lab/healing/main'),
    options: watchOptions,
    read,
  });
  const budgets = await startBudgetWatch(lab).catch(async (error: unknown) => {
    await watch.abandon();
    throw error;
  });
  return {
    stop: async () => ({ seen: await watch.stop(), budgets: await budgets.stop() }),
    abandon: async () => {
      await watch.abandon();
      await budgets.abandon();
    },
  };
}

function recordOf(
  { seen, budgets }: Seen,
  facts: { struck: Strike; undoneAtMs: number; endAtMs: number; workloads: readonly WorkloadOptions[] },
): HealingRecord {
  const { struck, undoneAtMs, endAtMs, workloads } = facts;
  const replicas = workloads.flatMap(({ namespace, deployments, replicas: each, statefulReplicas = 0 }) => [
    ...Array.from({ length: deployments }, (_, i) => [`${namespace}/app-${i + 1}`, each] as const),
    ...(statefulReplicas > 0 ? [[`${namespace}/data`, statefulReplicas] as const] : []),
  ]);
  // The Pods of a host that is off are lost, whoever says so.
  const voluntary = budgets.violations.filter(
    ({ isVoluntary, cause, node }) => isVoluntary && !(struck.isOff && cause === 'deletion' && struck.struck.includes(node)),
  );
  return {
    faultAtMs: struck.faultAtMs,
    undoneAtMs,
    endAtMs,
    struck: struck.struck,
    nodes: seen.nodes,
    pods: seen.pods,
    events: seen.events,
    gaps: seen.gaps + budgets.gaps,
    replicas: Object.fromEntries(replicas),
    violations: voluntary.map(
      ({ budget, pod, healthy, desired, cause }) => `${budget}: ${healthy} of ${desired} healthy after the ${cause} of ${pod}`,
    ),
  };
}
