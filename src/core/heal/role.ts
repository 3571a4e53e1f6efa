import { HEAL_POLICY } from './crd.ts';
import { NODE_API_RULES, type RbacRule } from './rbac.ts';

const RULES: readonly RbacRule[] = [
  ...NODE_API_RULES,
  // The Lease of the controllers, and its annotation of a pause.
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update', 'patch'] },
  { apiGroups: [HEAL_POLICY.group], resources: [HEAL_POLICY.plural], verbs: ['get'] },
];

/** A ClusterRole with all that `hale heal` and `hale node` ask for, and nothing else. */
export function healRole(): object {
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'hale-heal' }, rules: RULES };
}
