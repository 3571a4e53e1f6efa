import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { kubeconfigText } from '../core/pki/kubeconfig.ts';
import { AUTHORITIES, AUTHORITY_DAYS, type AuthorityName, CERTIFICATE_DAYS, hostCertificates, hostKubeconfigs } from '../core/pki/plan.ts';
import { endpointUrl } from '../core/cluster/names.ts';
import type { Cluster, ClusterHost } from '../core/cluster/schema.ts';
import { createAuthority, type Authority, type KeyPair } from '../drivers/pki/authority.ts';
import { writeKeyPair } from '../drivers/pki/files.ts';
import { all } from './command.ts';
import { clusterOf } from './configuration.ts';
import { writePlain } from './folder.ts';
import type { LabPlan } from './plan.ts';

/** The authority of the API servers' certificates, below the folder of any host. */
export const APISERVER_CA = 'etc/kubernetes/pki/ca.crt';

type Authorities = Record<AuthorityName, Authority>;

/** Writes all keys and certificates of a lab into the folders of its hosts, under the paths and names that kubeadm uses. */
export async function writeCredentials(plan: LabPlan, folderOf: (host: string) => string): Promise<void> {
  const cluster = clusterOf(plan);
  const authorities = await createAuthorities();
  const clusterKey = `${randomBytes(32).toString('hex')}\n`;
  const serviceAccount = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await all(
    cluster.controlPlane.hosts.map(async (host) => {
      const folder = folderOf(host.name);
      writePlain(join(folder, 'etc/hale/cluster.key'), { text: clusterKey, mode: 0o600 });
      const pki = join(folder, 'etc/kubernetes/pki');
      writePlain(join(pki, 'sa.key'), { text: serviceAccount.privateKey.export({ type: 'sec1', format: 'pem' }).toString(), mode: 0o600 });
      writePlain(join(pki, 'sa.pub'), { text: serviceAccount.publicKey.export({ type: 'spki', format: 'pem' }).toString(), mode: 0o644 });
      for (const [path, authority] of Object.entries(authorities)) writePair(pki, path, authority);
      await writeHostFiles(join(folder, 'etc/kubernetes'), { cluster, host, authorities });
    }),
  );
  await writeClientFiles(join(folderOf(plan.client.name), 'etc/kubernetes'), { cluster, authorities });
}

async function createAuthorities(): Promise<Authorities> {
  const made = await Promise.all(
    Object.entries(AUTHORITIES).map(async ([path, commonName]) => {
      return [path, await createAuthority({ commonName, validityDays: AUTHORITY_DAYS })] as const;
    }),
  );
  return Object.fromEntries(made) as Authorities;
}

interface HostFiles {
  cluster: Cluster;
  host: ClusterHost;
  authorities: Authorities;
}

async function writeHostFiles(dir: string, { cluster, host, authorities }: HostFiles): Promise<void> {
  for (const { path, authority, ...request } of hostCertificates(cluster, host)) {
    writePair(join(dir, 'pki'), path, await authorities[authority].issue({ ...request, validityDays: CERTIFICATE_DAYS }));
  }
  for (const { file, server, commonName, ...who } of hostKubeconfigs(cluster, host)) {
    const request = { ...who, commonName, dnsNames: [], ipAddresses: [], usages: ['client'] as const, validityDays: CERTIFICATE_DAYS };
    writeKubeconfig(join(dir, file), { cluster, server, user: commonName, authorities, pair: await authorities.ca.issue(request) });
  }
}

/** The client trusts the authorities, may ask etcd for its health and is administrator of the API. */
async function writeClientFiles(dir: string, { cluster, authorities }: Omit<HostFiles, 'host'>): Promise<void> {
  const pki = join(dir, 'pki');
  writePlain(join(pki, 'ca.crt'), { text: authorities.ca.certPem, mode: 0o644 });
  writePlain(join(pki, 'etcd/ca.crt'), { text: authorities['etcd/ca'].certPem, mode: 0o644 });
  const client = { dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: CERTIFICATE_DAYS } as const;
  writePair(pki, 'etcd/healthcheck-client', await authorities['etcd/ca'].issue({ ...client, commonName: 'kube-etcd-healthcheck-client' }));
  const admin = await authorities.ca.issue({ ...client, commonName: 'kubernetes-super-admin', organization: 'system:masters' });
  writePair(pki, 'admin', admin);
  writeKubeconfig(join(dir, 'admin.conf'), {
    cluster,
    server: endpointUrl(cluster),
    user: 'kubernetes-super-admin',
    authorities,
    pair: admin,
  });
}

function writeKubeconfig(
  path: string,
  facts: { cluster: Cluster; server: string; user: string; authorities: Authorities; pair: KeyPair },
): void {
  const { cluster, server, user, authorities, pair } = facts;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const text = kubeconfigText({ clusterName: cluster.name, server, user, caPem: authorities.ca.certPem, ...pair }, base64);
  writePlain(path, { text, mode: 0o600 });
}

function writePair(pki: string, path: string, pair: KeyPair): void {
  const target = join(pki, path);
  mkdirSync(dirname(target), { recursive: true });
  writeKeyPair(dirname(target), path.slice(path.lastIndexOf('/') + 1), pair);
}
