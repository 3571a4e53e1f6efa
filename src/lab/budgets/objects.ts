import type { WatchedBudget, WatchedPod } from '../../core/drill/budgets.ts';
import type { LabelSelector } from '../../core/heal/facts.ts';

interface Metadata {
  namespace: string;
  name: string;
  uid: string;
  labels?: Record<string, string>;
  deletionTimestamp?: string;
}

export interface PodJson {
  metadata: Metadata;
  spec: { nodeName?: string };
  status?: { conditions?: { type: string; status: string; reason?: string }[] };
}

export interface BudgetJson {
  metadata: Metadata;
  spec: { selector?: Partial<LabelSelector>; minAvailable?: number | string; maxUnavailable?: number | string };
  status?: { observedGeneration?: number; expectedPods?: number };
}

export function watchedPod({ metadata, spec, status }: PodJson): WatchedPod {
  const condition = (type: string) => status?.conditions?.find((candidate) => candidate.type === type && candidate.status === 'True');
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    node: spec.nodeName ?? '',
    labels: metadata.labels ?? {},
    isReady: condition('Ready') !== undefined,
    isDeleted: metadata.deletionTimestamp !== undefined,
    disruption: condition('DisruptionTarget')?.reason ?? null,
  };
}

export function watchedBudget({ metadata, spec, status }: BudgetJson): WatchedBudget {
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    selector: {
      matchLabels: spec.selector?.matchLabels ?? {},
      matchExpressions: (spec.selector?.matchExpressions ?? []).map((one) => ({ ...one, values: one.values ?? [] })),
    },
    minAvailable: spec.minAvailable ?? null,
    maxUnavailable: spec.maxUnavailable ?? null,
    expectedPods: status?.observedGeneration === undefined ? undefined : status.expectedPods,
  };
}
