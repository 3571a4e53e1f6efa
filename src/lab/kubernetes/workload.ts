/** What runs on the nodes of a lab while they are drained and break: Deployments with budgets, a StatefulSet and a DaemonSet of Pods that run nothing. */
import type { Lab } from '../lab.ts';
import { READY_AFTER_ANNOTATION, STOPS_AFTER_ANNOTATION } from '../nodes/kwok.ts';
import { kubectlOrFail } from './kubectl.ts';

export interface WorkloadOptions {
  /** Made, and removed with everything in it. */
  namespace: string;
  /** `app-1`, `app-2` …, each with a budget of its name. */
  deployments: number;
  /** Of each Deployment. */
  replicas: number;
  /** Of each budget: a number of Pods or a percentage. */
  budget: { maxUnavailable: number | string } | { minAvailable: number | string };
  /** Replicas of the StatefulSet `data`; none without. */
  statefulReplicas?: number;
  /** Whether there is a DaemonSet `agent`. */
  daemonSet?: boolean;
  /** How long Pods stay on a node that is not reachable; 300 s by default, as everywhere. */
  tolerationSeconds?: number;
  /** How long a Pod takes to be ready, and to end; 1 to 3 s each by default. */
  readyAfterSeconds?: number;
  stopsAfterSeconds?: number;
  /** How long all of it may take until it is ready. */
  timeoutSeconds?: number;
}

const TIMEOUT_SECONDS = 300;
/** kwok pulls none. */
const IMAGE = 'registry.k8s.io/pause:3.10';
const REQUESTS = { cpu: '50m', memory: '64Mi' };

/** Makes a workload, and resolves when every Pod of it is ready and every budget counts them. Rejects with HaleError `lab_kubectl_failed`. */
export async function createWorkload(lab: Lab, options: WorkloadOptions): Promise<void> {
  const { namespace, timeoutSeconds = TIMEOUT_SECONDS } = options;
  const list = { apiVersion: 'v1', kind: 'List', items: objectsOf(options) };
  await kubectlOrFail(lab, ['create', '-f', '-'], JSON.stringify(list));
  const waits = [
    ['deployment', '.status.readyReplicas', options.replicas, options.deployments > 0],
    ['pdb', '.status.expectedPods', options.replicas, options.deployments > 0],
    ['pdb', '.status.currentHealthy', options.replicas, options.deployments > 0],
    ['statefulset', '.status.readyReplicas', options.statefulReplicas ?? 0, (options.statefulReplicas ?? 0) > 0],
    ['daemonset', '.status.numberReady', lab.plan.nodes?.count ?? 0, options.daemonSet === true],
  ] as const;
  for (const [kind, path, wanted, isThere] of waits) {
    if (!isThere) continue;
    await kubectlOrFail(lab, [
      'wait',
      `--namespace=${namespace}`,
      `--for=jsonpath={${path}}=${wanted}`,
      `--timeout=${timeoutSeconds}s`,
      kind,
      '--all',
    ]);
  }
}

/** Removes the namespace, and resolves when it is gone. Harmless when there is none. */
export async function removeWorkload(lab: Lab, namespace: string): Promise<void> {
  await kubectlOrFail(lab, ['delete', 'namespace', namespace, '--ignore-not-found', '--wait', `--timeout=${TIMEOUT_SECONDS}s`]);
}

function objectsOf(options: WorkloadOptions): object[] {
  const { namespace, deployments, replicas, budget, statefulReplicas = 0, daemonSet = false } = options;
  const names = Array.from({ length: deployments }, (_, i) => `app-${i + 1}`);
  const object = (kind: string, name: string, rest: { apiVersion: string; spec: object }): object => ({
    ...rest,
    kind,
    metadata: { name, namespace },
  });
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...names.flatMap((name) => [
      object('Deployment', name, { apiVersion: 'apps/v1', spec: { replicas, ...templateOf(name, options) } }),
      object('PodDisruptionBudget', name, { apiVersion: 'policy/v1', spec: { ...budget, selector: { matchLabels: { app: name } } } }),
    ]),
    ...(statefulReplicas > 0
      ? [
          object('StatefulSet', 'data', {
            apiVersion: 'apps/v1',
            spec: { serviceName: 'data', replicas: statefulReplicas, podManagementPolicy: 'Parallel', ...templateOf('data', options) },
          }),
        ]
      : []),
    ...(daemonSet ? [object('DaemonSet', 'agent', { apiVersion: 'apps/v1', spec: templateOf('agent', options) })] : []),
  ];
}

function templateOf(app: string, { tolerationSeconds, readyAfterSeconds, stopsAfterSeconds }: WorkloadOptions): object {
  const annotations = {
    ...(readyAfterSeconds === undefined ? {} : { [READY_AFTER_ANNOTATION]: `${readyAfterSeconds}s` }),
    ...(stopsAfterSeconds === undefined ? {} : { [STOPS_AFTER_ANNOTATION]: `${stopsAfterSeconds}s` }),
  };
  const tolerations = ['node.kubernetes.io/unreachable', 'node.kubernetes.io/not-ready'].map((key) => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds,
  }));
  return {
    selector: { matchLabels: { app } },
    template: {
      metadata: { labels: { app }, annotations },
      spec: {
        containers: [{ name: 'main', image: IMAGE, resources: { requests: REQUESTS } }],
        // The DaemonSet controller adds its own, without an end.
        ...(tolerationSeconds === undefined || app === 'agent' ? {} : { tolerations }),
      },
    },
  };
}
