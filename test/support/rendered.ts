import { stringify } from 'yaml';
import { readCluster } from '../../src/core/cluster/read.ts';
import type { Cluster } from '../../src/core/cluster/schema.ts';
import { renderClusterFiles, renderedHosts, renderHost } from '../../src/core/render/cluster.ts';
import { toDescription } from '../../src/core/render/description.ts';
import type { RenderedFile } from '../../src/core/render/file.ts';
import type { ClusterSecrets } from '../../src/core/render/secrets.ts';

/** Recognisable, so that a test can see where they end up. */
export const SECRETS: ClusterSecrets = {
  encryptionKeys: [{ name: 'key1', secret: 'c2VjcmV0LW9mLXRoZS1lbmNyeXB0aW9uLWtleS0zMmI=' }],
  etcdToken: 'etcd-token-5c1f0a',
  certificateKey: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
  bootstrapToken: 'abcdef.0123456789abcdef',
  joinToken: 'join-token-77ab0c91d2e3f4a5b6c7',
};

/** Three hosts in three zones, an address among them, two workers; `keys` are those of cluster.yaml. */
export function description(keys: Record<string, unknown> = {}): string {
  return stringify({
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'prod',
    endpoint: { address: '10.0.0.100' },
    controlPlane: { hosts: hosts('cp', ['10.0.0.11/24', '10.0.0.12/24', '10.0.0.13/24']) },
    workers: { hosts: hosts('w', ['10.0.0.21/24', '10.0.0.22/24']) },
    ...keys,
  });
}

/** cp1 in zone a, cp2 in zone b, and so on. */
export function hosts(prefix: string, addresses: readonly (string | string[])[]): Record<string, unknown>[] {
  return addresses.map((address, i) => ({ name: `${prefix}${i + 1}`, address, zone: 'abcdefg'[i] }));
}

/** Hosts with addresses of both families, for an endpoint of both. */
export const DUAL_STACK = {
  endpoint: { address: ['10.0.0.100', 'fd00::100'] },
  controlPlane: {
    hosts: hosts('cp', [
      ['10.0.0.11/24', 'fd00::11/64'],
      ['10.0.0.12/24', 'fd00::12/64'],
      ['10.0.0.13/24', 'fd00::13/64'],
    ]),
  },
  workers: { hosts: hosts('w', [['10.0.0.21/24', 'fd00::21/64']]) },
  kubernetes: { serviceSubnet: ['10.96.0.0/16', 'fd00:96::/112'], podSubnet: ['10.244.0.0/16', 'fd00:244::/56'] },
};

export const IPV6 = {
  endpoint: { address: 'fd00::100' },
  controlPlane: { hosts: hosts('cp', ['fd00::11/64', 'fd00::12/64', 'fd00::13/64']) },
  workers: { hosts: hosts('w', ['fd00::21/64']) },
  kubernetes: { serviceSubnet: 'fd00:96::/112', podSubnet: 'fd00:244::/56' },
};

export const EXTERNAL_ETCD = {
  etcd: { topology: 'external', endpoints: ['https://10.0.0.31:2379', 'https://10.0.0.32:2379', 'https://10.0.0.33:2379'] },
};

export function clusterFrom(keys: Record<string, unknown> = {}): Cluster {
  return clusterOf(description(keys));
}

/** A description that has no problem. */
export function clusterOf(text: string): Cluster {
  const read = readCluster(text, 'cluster.yaml');
  if (!read.ok) throw new Error(JSON.stringify(read.problems, null, 2));
  return read.cluster;
}

/** Every file of every host, by host and path; those of the cluster as a whole under `_cluster`. */
export function renderAll(keys: Record<string, unknown> = {}, secrets = SECRETS): Map<string, Map<string, RenderedFile>> {
  const cluster = clusterFrom(keys);
  const byPath = (files: readonly RenderedFile[]) => new Map(files.map((file) => [file.path, file]));
  return new Map([
    ...renderedHosts(cluster).map(
      (node) => [node.host.name, byPath(renderHost({ cluster, description: toDescription(description(keys)), node, secrets }))] as const,
    ),
    ['_cluster', byPath(renderClusterFiles(cluster, secrets))] as const,
  ]);
}

/** The text of one file; an error that says what is there if it is not. */
export function textOf(rendered: ReturnType<typeof renderAll>, host: string, path: string): string {
  const file = rendered.get(host)?.get(path);
  if (file === undefined) throw new Error(`${host} has no ${path}, but ${[...(rendered.get(host)?.keys() ?? [])].join(', ')}`);
  return file.text;
}
