import type { Cluster } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { controlPlaneFiles, workerFiles } from '../hale/part.ts';
import type { HostInput, Part } from '../part.ts';
import { lvscarePod } from './lvscare.ts';
import { hostsFiles } from './names.ts';
import { haproxyFiles, nginxFiles } from './proxies.ts';
import { nodeLocalSteps } from './steps.ts';

/** A balancer on every worker, for its own connections to the API. */
export const nodeLocalPart: Part = { hostFiles, steps: nodeLocalSteps };

function hostFiles(input: HostInput): RenderedFile[] {
  const { cluster, node } = input;
  if (node.role === 'balancer') return [];
  if (cluster.nodeLocal.balancer === 'hale') return node.role === 'worker' ? workerFiles(input) : controlPlaneFiles(input);
  return [...hostsFiles(cluster, node), ...(node.role === 'worker' ? balancerFiles(cluster) : [])];
}

const BALANCERS: Record<Exclude<Cluster['nodeLocal']['balancer'], 'hale'>, (cluster: Cluster) => RenderedFile[]> = {
  lvscare: (cluster) => [lvscarePod(cluster)],
  nginx: nginxFiles,
  haproxy: haproxyFiles,
};

const madeFor = new WeakMap<Cluster, RenderedFile[]>();

/** The same on every worker, so made once: there may be thousands. */
function balancerFiles(cluster: Cluster): RenderedFile[] {
  const { balancer } = cluster.nodeLocal;
  const files = madeFor.get(cluster) ?? (balancer === 'hale' ? [] : BALANCERS[balancer](cluster));
  madeFor.set(cluster, files);
  return files;
}
