import type { Command } from 'commander';
import type { Cluster } from '../../core/cluster/schema.ts';
import { openKubernetes } from '../../agent/heal/tools.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import { DEFAULT_CONFIG, readClusterFile } from '../read-cluster.ts';

/** What every command about nodes takes. */
export interface ClusterAccess {
  config: string;
  kubeconfig?: string;
}

export function withClusterAccess(command: Command): Command {
  return command
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .option('--kubeconfig <file>', 'credentials for the API, and where it is; by default what the cluster description says');
}

/** Runs `work` with the API of the described cluster, and closes that. */
export async function withCluster<T>(
  { config, kubeconfig }: ClusterAccess,
  work: (found: { cluster: Cluster; kubernetes: Kubernetes }) => Promise<T>,
): Promise<T> {
  const cluster = readClusterFile(config);
  const kubernetes = openKubernetes({ cluster, kubeconfig });
  try {
    return await work({ cluster, kubernetes });
  } finally {
    kubernetes.close();
  }
}
