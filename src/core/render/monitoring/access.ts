import { comment, yamlDocuments } from '../yaml.ts';

export const ACCOUNT = 'hale-prometheus';
const NAMESPACE = 'kube-system';

/** What lets Prometheus read metrics, and nothing else. */
export function accessFile(): string {
  const meta = { name: ACCOUNT };
  const rbac = 'rbac.authorization.k8s.io';
  return (
    comment(HEAD) +
    yamlDocuments([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...meta, namespace: NAMESPACE }, automountServiceAccountToken: false },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/service-account-token',
        metadata: { ...meta, namespace: NAMESPACE, annotations: { 'kubernetes.io/service-account.name': ACCOUNT } },
      },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'ClusterRole',
        metadata: meta,
        rules: [
          { nonResourceURLs: ['/metrics', '/metrics/slis'], verbs: ['get'] },
          { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
        ],
      },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: meta,
        roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: ACCOUNT },
        subjects: [{ kind: 'ServiceAccount', name: ACCOUNT, namespace: NAMESPACE }],
      },
    ])
  );
}

const HEAD = `Made by hale from cluster.yaml. Lets Prometheus read the metrics of API servers and kubelets.
A token of a Secret does not end, since Prometheus outside the cluster has nobody who renews it: delete the Secret to take it back.`;
