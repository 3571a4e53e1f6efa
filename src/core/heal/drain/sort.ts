import type { DrainSettings } from '../../cluster/heal.ts';
import type { PodFacts } from '../facts.ts';

/** What a drain does with a Pod, and why, as `kubectl drain` sorts them (kubectl, pkg/drain/filters.go). */
export type Fate =
  | { kind: 'evict' }
  /** It stays: its controller would put it back at once, or its kubelet runs it from a file. */
  | { kind: 'leave'; why: 'daemonset' | 'mirror' }
  /** Nobody makes another one, or its data ends with it, and nobody has allowed that. */
  | { kind: 'forbidden'; why: 'unmanaged' | 'empty-dir' };

export function fateOf(pod: PodFacts, { unmanagedPods, emptyDirPods }: Pick<DrainSettings, 'unmanagedPods' | 'emptyDirPods'>): Fate {
  if (pod.isMirror) return { kind: 'leave', why: 'mirror' };
  const hasEnded = pod.phase === 'Succeeded' || pod.phase === 'Failed';
  if (pod.owner?.kind === 'DaemonSet' && !hasEnded) return { kind: 'leave', why: 'daemonset' };
  // What has ended loses nothing any more, and what ends already is not asked again.
  if (hasEnded || pod.deletionAtMs !== null) return { kind: 'evict' };
  if (pod.emptyDirs.length > 0 && emptyDirPods === 'keep') return { kind: 'forbidden', why: 'empty-dir' };
  if (pod.owner === null && unmanagedPods === 'keep') return { kind: 'forbidden', why: 'unmanaged' };
  return { kind: 'evict' };
}

export function forbiddenText(pod: PodFacts, why: 'unmanaged' | 'empty-dir'): string {
  if (why === 'unmanaged') return 'no controller makes it anew, so it would be gone';
  return `the data of its emptyDir ${pod.emptyDirs.length === 1 ? 'volume' : 'volumes'} ${pod.emptyDirs.join(', ')} would be gone`;
}
