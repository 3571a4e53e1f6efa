/** A rule of a ClusterRole (kubernetes.io, "ClusterRole v1 rbac.authorization.k8s.io"). */
export type RbacRule =
  | { apiGroups: readonly string[]; resources: readonly string[]; verbs: readonly string[] }
  | { nonResourceURLs: readonly string[]; verbs: readonly string[] };

/** What the user of `hale heal` and `hale node drain` must be allowed, and no more (drivers/kubernetes/node-api.ts). */
export const NODE_API_RULES: readonly RbacRule[] = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch', 'patch'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch', 'delete'] },
  { apiGroups: [''], resources: ['pods/eviction'], verbs: ['create'] },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets'], verbs: ['list', 'watch'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['list', 'watch'] },
  { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] },
  { nonResourceURLs: ['/readyz'], verbs: ['get'] },
];
