import type { Cluster, ClusterHost } from '../cluster/schema.ts';
import type { Description } from './description.ts';
import type { RenderedFile } from './file.ts';
import type { ClusterSecrets } from './secrets.ts';

export type Role = 'control-plane' | 'worker' | 'balancer';

/** A machine that files are rendered for. */
export interface RenderedHost {
  host: ClusterHost;
  role: Role;
  /** Among the hosts of its role, from 0: the first control-plane host is the one that starts the cluster. */
  index: number;
}

export interface HostInput {
  cluster: Cluster;
  description: Description;
  node: RenderedHost;
  secrets: ClusterSecrets;
}

/** A file of the whole cluster, applied or read where an administrator sits: not of a host. Its path is relative. */
export type ClusterFile = Omit<RenderedFile, 'owner'>;

/** When a step of setting the cluster up comes; steps of one moment are in the order of the parts. */
export const MOMENTS = ['prepare', 'first', 'join', 'workers', 'finish'] as const;

export interface Step {
  moment: (typeof MOMENTS)[number];
  /** Names of hosts, or what stands for them: `each control-plane host but the first, one after the other`. */
  where: string;
  /** What is done and why, a sentence or two. */
  text: string;
  commands: readonly string[];
}

/** One concern of a rendering: a distribution, a provider of the endpoint, monitoring and so on. */
export interface Part {
  hostFiles?(input: HostInput): RenderedFile[];
  clusterFiles?(input: { cluster: Cluster; secrets: ClusterSecrets }): ClusterFile[];
  steps?(cluster: Cluster): Step[];
}
