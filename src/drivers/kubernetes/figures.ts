import { totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { computeFigures } from '../../core/apiserver/figures.ts';
import type { Instance } from '../../core/apiserver/judgement.ts';
import type { KubernetesAccess } from './kubeconfig.ts';
import { ApiserverMetrics } from './metrics.ts';

/** A busy API server takes a second or two to gather its metrics. */
const SCRAPE_TIMEOUT_MS = 10_000;
const NODE_TIMEOUT_MS = 3000;

export interface ApiserverPlace {
  /** The host's name, which is also that of its node. */
  name: string;
  address: string;
  port: number;
  /** It runs on this machine. */
  isHere: boolean;
}

/** Asks every API server for its metrics twice, `seconds` apart, all at the same time. One that cannot be asked delays none of the others. */
export async function readInstances(
  access: KubernetesAccess,
  { places, seconds }: { places: readonly ApiserverPlace[]; seconds: number },
): Promise<Instance[]> {
  return await Promise.all(places.map((place) => readInstance(access, { place, seconds })));
}

async function readInstance(
  access: KubernetesAccess,
  { place: { name, address, port, isHere }, seconds }: { place: ApiserverPlace; seconds: number },
): Promise<Instance> {
  const metrics = new ApiserverMetrics(access, { host: address, port });
  const failed = (problem: string): Instance => ({ name, figures: null, problem, hostMemoryBytes: null });
  try {
    const first = await metrics.scrape(SCRAPE_TIMEOUT_MS);
    if (!first.ok) return failed(first.reason);
    await sleep(Math.max(0, first.scrape.atMs + seconds * 1000 - performance.now()));
    const second = await metrics.scrape(SCRAPE_TIMEOUT_MS);
    if (!second.ok) return failed(`at the second look: ${second.reason}`);
    // After both, so that it is not counted as a client's request.
    const nodeMemoryBytes = await metrics.nodeMemoryBytes(name, NODE_TIMEOUT_MS);
    const hostMemoryBytes = nodeMemoryBytes ?? (isHere ? totalmem() : null);
    return { name, figures: computeFigures(first.scrape, second.scrape), problem: null, hostMemoryBytes };
  } finally {
    metrics.close();
  }
}
