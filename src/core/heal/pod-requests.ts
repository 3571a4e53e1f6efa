import { type Mapping, mappingAt, mappingsAt, textAt } from '../apiserver/json.ts';
import { readQuantity } from '../apiserver/quantity.ts';
import type { PodFacts } from './facts.ts';

/** What a Pod takes of its node for the scheduler (component-helpers, resource/helpers.go: PodRequests), from its `spec`. */
export function podRequests(spec: Mapping): PodFacts['requests'] {
  return { cpuMilli: podRequest(spec, { resource: 'cpu', scale: 1000 }), memoryBytes: podRequest(spec, { resource: 'memory', scale: 1 }) };
}

interface Wanted {
  resource: 'cpu' | 'memory';
  /** To the unit that is counted in. */
  scale: number;
}

/** The most of any moment: all containers with the sidecars, or an init container with the sidecars that began before it. */
function podRequest(spec: Mapping, wanted: Wanted): number {
  let running = 0;
  for (const container of mappingsAt(spec, 'containers')) running += request(container, wanted) ?? 0;
  let sidecars = 0;
  let most = 0;
  for (const container of mappingsAt(spec, 'initContainers')) {
    const own = request(container, wanted) ?? 0;
    most = Math.max(most, sidecars + own);
    // kubernetes.io, "Sidecar Containers": it goes on beside the others.
    if (textAt(container, 'restartPolicy') === 'Always') sidecars += own;
  }
  // kubernetes.io, "Assign Pod-level CPU and memory resources": that of the Pod counts instead.
  const all = request(spec, wanted) ?? Math.max(running + sidecars, most);
  return wholeUp(all + (quantity(mappingAt(spec, 'overhead'), wanted) ?? 0));
}

function request(of: Mapping, wanted: Wanted): number | undefined {
  return quantity(mappingAt(mappingAt(of, 'resources'), 'requests'), wanted);
}

function quantity(amounts: Mapping, { resource, scale }: Wanted): number | undefined {
  const amount = readQuantity(amounts[resource], scale);
  return amount === undefined ? undefined : Math.max(0, amount);
}

/** Up, as apimachinery does; but not for what binary fractions add to 1.1. */
function wholeUp(value: number): number {
  return Math.ceil(Number(value.toFixed(6)));
}
