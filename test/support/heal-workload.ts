/** What runs on the nodes of a test. */

export interface Workload {
  name: string;
  kind: 'Deployment' | 'StatefulSet' | 'DaemonSet';
  replicas?: number;
  /** Of its budget; none without it. */
  budget?: { minAvailable?: number; maxUnavailable?: number };
  emptyDir?: true;
}

export function workloadObjects({ name, kind, replicas = 1, budget, emptyDir }: Workload): object[] {
  const labels = { app: name };
  const template = {
    metadata: { labels },
    spec: {
      terminationGracePeriodSeconds: 1,
      // kwok runs no admission plugin's service account for it.
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'none', ...(emptyDir && { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] }) }],
      ...(emptyDir && { volumes: [{ name: 'scratch', emptyDir: {} }] }),
    },
  };
  const of = kind === 'DaemonSet' ? {} : { replicas };
  const set = kind === 'StatefulSet' ? { serviceName: name, podManagementPolicy: 'Parallel' } : {};
  const workload = {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: 'default', labels },
    spec: { ...of, ...set, selector: { matchLabels: labels }, template },
  };
  const budgets = budget && [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name, namespace: 'default', labels },
      spec: { ...budget, selector: { matchLabels: labels } },
    },
  ];
  return [workload, ...(budgets ?? [])];
}

export function barePod(name: string, node: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'none' }],
    },
  };
}
