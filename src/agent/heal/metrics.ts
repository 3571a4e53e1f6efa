import { Counter, Gauge, Registry } from '@prometheus-io/client';
import { BRAKES } from '../../core/heal/brakes.ts';

/** Every metric of `hale heal run`; docs/reference/metrics.md lists the same names, held together by a test. */
export function createHealMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const gauge = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  const counter = <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name, help, labelNames, registers });
  const metrics = {
    registry,
    active: gauge('hale_heal_active', '1 while this controller owns the Lease and acts, otherwise 0.'),
    nodes: gauge('hale_heal_nodes', 'Nodes that the active controller sees.'),
    healthy: gauge('hale_heal_nodes_healthy', 'Of these, nodes that are healthy and under no remedy.'),
    remedies: gauge('hale_heal_remedies', 'Nodes under a remedy, by state.', ['state']),
    braked: gauge('hale_heal_braked', 'Nodes that a brake keeps from a remedy or from its next step, by brake.', ['brake']),
    begun: counter('hale_heal_remedies_begun_total', 'Remedies that this controller has begun, by rule.', ['rule']),
    ended: counter('hale_heal_remedies_ended_total', 'Remedies that ended while this controller was active, by result.', ['result']),
    steps: counter('hale_heal_steps_total', 'Steps that this controller has carried out, by step and result.', ['step', 'result']),
    evictions: counter('hale_heal_evictions_total', 'Pods that left a node by a drain of this controller.'),
    requests: counter('hale_heal_api_requests_total', 'Requests that this controller has sent to the API, watches included.'),
    residentMemory: gauge('process_resident_memory_bytes', 'Resident memory of the controller.'),
    cpu: counter('process_cpu_seconds_total', 'User and system CPU time of the controller.'),
  };
  for (const brake of BRAKES) metrics.braked.set({ brake }, 0);
  for (const state of ['working', 'waiting', 'failed']) metrics.remedies.set({ state }, 0);
  return metrics;
}

export type HealMetrics = ReturnType<typeof createHealMetrics>;
