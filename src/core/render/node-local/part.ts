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
  return [...hostsFiles(cluster, node), ...(node.role === 'worker' ? BALANCERS[cluster.nodeLocal.balancer](cluster) : [])];
}

const BALANCERS: Record<Exclude<Cluster['nodeLocal']['balancer'], 'hale'>, (cluster: Cluster) => RenderedFile[]> = {
  lvscare: (cluster) => [lvscarePod(cluster)],
  nginx: nginxFiles,
  haproxy: haproxyFiles,
};
