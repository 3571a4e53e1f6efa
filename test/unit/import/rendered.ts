import { gather, type NamedFile } from '../../../src/core/doctor/gather.ts';
import type { Cluster } from '../../../src/core/cluster/schema.ts';
import type { Facts } from '../../../src/core/doctor/facts.ts';
import { importCluster, type Imported } from '../../../src/core/import/import.ts';
import { renderClusterFiles, renderedHosts, renderHost } from '../../../src/core/render/cluster.ts';
import { toDescription } from '../../../src/core/render/description.ts';
import type { ClusterSecrets } from '../../../src/core/render/secrets.ts';
import { clusterOf } from '../../support/rendered.ts';

export const SECRETS: ClusterSecrets = {
  encryptionKeys: [{ name: 'key1', secret: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=' }],
  etcdToken: 'secret-etcd-token-0001',
  certificateKey: '5ec4e7'.repeat(10) + '5ec4',
  bootstrapToken: '5ec4e7.5ec4e75ec4e75ec4',
  joinToken: 'secret-join-token-0001',
};

/** What `hale render --out DIR` writes, read as hale doctor reads it. hale's own cluster.yaml is left out: it would be the answer. */
function renderedFacts(cluster: Cluster, description: string): Facts {
  const input = { cluster, description: toDescription(description), secrets: SECRETS };
  const ofHosts = renderedHosts(cluster).flatMap((node) =>
    renderHost({ ...input, node }).map(({ path, text }) => ({
      file: { path: `out/${node.host.name}${path}`, text, host: node.host.name },
      isNamed: false,
    })),
  );
  const whole = renderClusterFiles(cluster, SECRETS).map(({ path, text }) => ({
    file: { path: `out/_cluster/${path}`, text },
    isNamed: false,
  }));
  return gather([...ofHosts, ...whole].filter(({ file }) => !file.path.endsWith('/etc/hale/cluster.yaml')));
}

export function importRendered(description: string): { before: Cluster; imported: Imported } {
  const before = clusterOf(description);
  const isNameless = before.distribution === 'k3s' || before.distribution === 'rke2';
  return {
    before,
    imported: importCluster(renderedFacts(before, description), { file: 'cluster.yaml', ...(isNameless && { name: before.name }) }),
  };
}

/** Files by path; a folder before /etc says whose they are, as for hale doctor. */
export function importFiles(files: Readonly<Record<string, string>>, wishes: { name?: string; provider?: string } = {}): Imported {
  const named = Object.entries(files).map(([path, text]): NamedFile => {
    const host = /^([^/]+)\/(?:etc|var)\//.exec(path)?.[1];
    return { file: { path, text, ...(host !== undefined && { host }) }, isNamed: true };
  });
  return importCluster(gather(named), { file: 'cluster.yaml', ...wishes });
}
