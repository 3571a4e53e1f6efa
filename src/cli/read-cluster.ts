import { readFileSync } from 'node:fs';
import { HaleError } from '../base/error.ts';
import { readCluster } from '../core/cluster/read.ts';
import { formatProblem } from '../core/cluster/problems.ts';
import type { Cluster } from '../core/cluster/schema.ts';

export const DEFAULT_CONFIG = '/etc/hale/cluster.yaml';

/** Reads and checks a cluster.yaml; all its problems come in one HaleError, a line each. */
export function readClusterFile(path: string): Cluster {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new HaleError({
      code: 'cluster_file_unreadable',
      kind: 'usage',
      message: `${path}: cannot be read: ${(error as Error).message}`,
      remedy: 'name the cluster description with --config FILE; docs/examples/cluster.yaml is one to start from',
      cause: error,
    });
  }
  const result = readCluster(text, path);
  if (result.ok) return result.cluster;
  throw new HaleError({ code: 'cluster_invalid', kind: 'usage', message: result.problems.map(formatProblem).join('\n') });
}
