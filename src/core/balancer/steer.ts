import type { BackendState } from './health.ts';

/**
 * The backends, by index, among which new connections that begin on this machine are spread: its own API server alone when that is ready,
 * otherwise all that are ready, otherwise those that at least answer (without a leader of etcd all are draining). Empty: the shared
 * address is left to do what it can.
 */
export function steeredBackends(states: readonly BackendState[], self?: number): number[] {
  const those = (wanted: BackendState) => states.flatMap((state, i) => (state === wanted ? [i] : []));
  const ready = those('ready');
  if (self !== undefined && ready.includes(self)) return [self];
  return ready.length > 0 ? ready : those('draining');
}
