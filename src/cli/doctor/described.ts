import type { Cluster } from '../../core/cluster/schema.ts';
import type { NamedFile } from '../../core/doctor/gather.ts';
import { renderClusterFiles, renderedHosts, renderHost } from '../../core/render/cluster.ts';
import { toDescription } from '../../core/render/description.ts';
import type { RenderedHost } from '../../core/render/part.ts';
import { PLACEHOLDER_SECRETS } from '../cluster-secrets.ts';

interface Described {
  cluster: Cluster;
  /** The text of cluster.yaml. */
  description: string;
}

/** What hale would render for these hosts, as if it were read from them. */
export function renderedFiles({ cluster, description }: Described, isWanted: (node: RenderedHost) => boolean): NamedFile[] {
  const input = { cluster, description: toDescription(description), secrets: PLACEHOLDER_SECRETS };
  return renderedHosts(cluster)
    .filter(isWanted)
    .flatMap((node) =>
      renderHost({ ...input, node }).map(({ path, text }) => ({
        file: { path: `${node.host.name}:${path}`, text, host: node.host.name },
        isNamed: false,
      })),
    );
}

/** What hale would render for the cluster as a whole. */
export function renderedClusterFiles(cluster: Cluster): NamedFile[] {
  return renderClusterFiles(cluster, PLACEHOLDER_SECRETS).map(({ path, text }) => ({
    file: { path: `_cluster/${path}`, text },
    isNamed: false,
  }));
}
