import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostPort } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import { etcdUrlsOf } from '../../core/etcd/static-pod.ts';
import type { EtcdTlsFiles } from './tls.ts';

/** Where etcd is and what it is asked with. */
export interface EtcdAccess extends EtcdTlsFiles {
  /** Client URLs; those of members that are not listed are learned from those that are. */
  endpoints: readonly string[];
  /** Where that was found, for people. */
  from: string;
}

/** As a user gives it; what is absent is found elsewhere. */
export interface EtcdAccessFlags {
  endpoints?: readonly string[];
  cacert?: string;
  cert?: string;
  key?: string;
}

const KUBEADM = {
  caFile: 'etc/kubernetes/pki/etcd/ca.crt',
  certFile: 'etc/kubernetes/pki/etcd/healthcheck-client.crt',
  keyFile: 'etc/kubernetes/pki/etcd/healthcheck-client.key',
};
const KUBEADM_MANIFEST = 'etc/kubernetes/manifests/etcd.yaml';
/** docs.k3s.io, "Backup and restore"; RKE2 lays out the same below its own folder. */
const K3S_FOLDERS = ['var/lib/rancher/k3s/server/tls/etcd', 'var/lib/rancher/rke2/server/tls/etcd'];
const LOCAL = 'https://127.0.0.1:2379';

/**
 * Flags go before cluster.yaml, that before the files that kubeadm, k3s or RKE2 left on this host.
 * HaleError `etcd_not_found` when none of them says where etcd is.
 */
export function findEtcdAccess(options: { flags: EtcdAccessFlags; cluster?: Cluster; root?: string }): EtcdAccess {
  const { flags, cluster, root = '/' } = options;
  const found = cluster === undefined ? onHost(root) : accessOf(cluster);
  const { cacert: caFile = found?.caFile, cert: certFile = found?.certFile, key: keyFile = found?.keyFile } = flags;
  const endpoints = flags.endpoints ?? found?.endpoints;
  if (endpoints === undefined || caFile === undefined || certFile === undefined || keyFile === undefined) {
    throw new HaleError({
      code: 'etcd_not_found',
      kind: 'usage',
      message: `nothing says where etcd is: no cluster description, and neither kubeadm's, k3s' nor RKE2's files are on this host`,
      remedy: 'name a cluster description with --config FILE, or give --endpoints, --cacert, --cert and --key',
    });
  }
  return { endpoints, caFile, certFile, keyFile, from: flags.endpoints === undefined ? (found?.from ?? 'flags') : 'flags' };
}

/** What cluster.yaml says. */
export function accessOf(cluster: Cluster): EtcdAccess {
  const { topology, clientPort, endpoints, caFile, certFile, keyFile } = cluster.etcd;
  const stacked = cluster.controlPlane.hosts.map((host) => `https://${hostPort(host.addresses[0]?.address as string, clientPort)}`);
  return { endpoints: topology === 'stacked' ? stacked : endpoints, caFile, certFile, keyFile, from: 'the cluster description' };
}

function onHost(root: string): EtcdAccess | undefined {
  if (existsSync(join(root, KUBEADM.caFile))) {
    const manifest = join(root, KUBEADM_MANIFEST);
    const urls = existsSync(manifest) ? etcdUrlsOf(readFileSync(manifest, 'utf8')) : [];
    return { endpoints: urls.length === 0 ? [LOCAL] : urls, ...under(root, KUBEADM), from: "kubeadm's files" };
  }
  const folder = K3S_FOLDERS.find((dir) => existsSync(join(root, dir)));
  if (folder === undefined) return undefined;
  const files = { caFile: 'server-ca.crt', certFile: 'client.crt', keyFile: 'client.key' };
  return { endpoints: [LOCAL], ...under(join(root, folder), files), from: `${folder.split('/')[3]}'s files` };
}

function under(folder: string, files: EtcdTlsFiles): EtcdTlsFiles {
  const { caFile, certFile, keyFile } = files;
  return { caFile: join(folder, caFile), certFile: join(folder, certFile), keyFile: join(folder, keyFile) };
}
