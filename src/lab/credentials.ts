import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { endpointUrl } from '../core/cluster/names.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import type { KeyPair } from '../drivers/pki/authority.ts';
import { CLIENT, clientKubeconfig, type ClusterPki, createClusterPki } from '../drivers/pki/create.ts';
import { writeKeyPair } from '../drivers/pki/files.ts';
import { clusterOf } from './configuration.ts';
import { writePlain } from './folder.ts';
import { bystanders, type LabPlan } from './plan.ts';

/** The authority of the API servers' certificates, below the folder of any host. */
export const APISERVER_CA = 'etc/kubernetes/pki/ca.crt';

/** Writes all keys and certificates of a lab into the folders of its hosts, under the paths and names that kubeadm uses. */
export async function writeCredentials(plan: LabPlan, folderOf: (host: string) => string): Promise<void> {
  const cluster = clusterOf(plan);
  const clusterKey = `${randomBytes(32).toString('hex')}\n`;
  for (const { name } of cluster.controlPlane.hosts) {
    writePlain(join(folderOf(name), 'etc/hale/cluster.key'), { text: clusterKey, mode: 0o600 });
  }
  const pki = await createClusterPki({ cluster, folderOf });
  for (const { name } of bystanders(plan)) await writeClientFiles(join(folderOf(name), 'etc/kubernetes'), { cluster, pki });
}

/** A client trusts the authorities, may ask etcd for its health and is administrator of the API. */
async function writeClientFiles(dir: string, { cluster, pki }: { cluster: Cluster; pki: ClusterPki }): Promise<void> {
  const [ca, etcdCa] = [await pki.authority('ca'), await pki.authority('etcd/ca')];
  writePlain(join(dir, 'pki/ca.crt'), { text: ca.certPem, mode: 0o644 });
  writePlain(join(dir, 'pki/etcd/ca.crt'), { text: etcdCa.certPem, mode: 0o644 });
  const user = 'kubernetes-super-admin';
  writePair(join(dir, 'pki/etcd/healthcheck-client'), await etcdCa.issue({ ...CLIENT, commonName: 'kube-etcd-healthcheck-client' }));
  const admin = await ca.issue({ ...CLIENT, commonName: user, organization: 'system:masters' });
  writePair(join(dir, 'pki/admin'), admin);
  const text = clientKubeconfig({ cluster, server: endpointUrl(cluster), user, caPem: ca.certPem, ...admin });
  writePlain(join(dir, 'admin.conf'), { text, mode: 0o600 });
}

function writePair(target: string, pair: KeyPair): void {
  mkdirSync(dirname(target), { recursive: true });
  writeKeyPair(dirname(target), target.slice(target.lastIndexOf('/') + 1), pair);
}
