import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, type Authority } from '../drivers/pki/authority.ts';
import { writeKeyPair } from '../drivers/pki/files.ts';
import { all } from './command.ts';
import { writePlain } from './folder.ts';
import type { HostPlan, LabPlan } from './plan.ts';

/** The authority of the API servers' certificates, below the folder of any host. */
export const APISERVER_CA = 'etc/kubernetes/pki/ca.crt';

const VALIDITY_DAYS = 365;
const LOOPBACK = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] };
/** First address of kubeadm's default service network, which pods use for the API. */
const SERVICE = { dnsNames: ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'], ipAddresses: ['10.96.0.1'] };
const NO_NAMES = { dnsNames: [], ipAddresses: [] };

/** Writes all keys and certificates of a lab into the folders of its hosts, under the paths and names that kubeadm uses. */
export async function writeCredentials(plan: LabPlan, folderOf: (host: string) => string): Promise<void> {
  const [etcd, kubernetes] = await Promise.all([
    createAuthority({ commonName: 'etcd-ca', validityDays: VALIDITY_DAYS }),
    createAuthority({ commonName: 'kubernetes', validityDays: VALIDITY_DAYS }),
  ]);
  const clusterKey = `${randomBytes(32).toString('hex')}\n`;
  const serviceAccount = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const authorities = { etcd, kubernetes };
  await all(
    plan.controlPlane.map(async (host) => {
      const folder = folderOf(host.name);
      writePlain(join(folder, 'etc/hale/cluster.key'), { text: clusterKey, mode: 0o600 });
      await writeEtcdFiles(join(folder, 'etc/kubernetes/pki/etcd'), { host, etcd });
      const pki = join(folder, 'etc/kubernetes/pki');
      writePlain(join(pki, 'sa.key'), { text: serviceAccount.privateKey.export({ type: 'sec1', format: 'pem' }).toString(), mode: 0o600 });
      writePlain(join(pki, 'sa.pub'), { text: serviceAccount.publicKey.export({ type: 'spki', format: 'pem' }).toString(), mode: 0o644 });
      await writeApiserverFiles(pki, { host, plan, ...authorities });
    }),
  );
  await writeClientFiles(join(folderOf(plan.client.name), 'etc/kubernetes/pki'), authorities);
}

async function writeEtcdFiles(dir: string, options: { host: HostPlan; etcd: Authority }): Promise<void> {
  const { host, etcd } = options;
  mkdirSync(dir, { recursive: true });
  const names = { dnsNames: [host.name, ...LOOPBACK.dnsNames], ipAddresses: [...host.addresses, ...LOOPBACK.ipAddresses] };
  const request = { ...names, commonName: host.name, validityDays: VALIDITY_DAYS };
  writeKeyPair(dir, 'ca', etcd);
  // Both usages: etcd's gateway dials its own client port with the server certificate.
  writeKeyPair(dir, 'server', await etcd.issue({ ...request, usages: ['server', 'client'] }));
  writeKeyPair(dir, 'peer', await etcd.issue({ ...request, usages: ['server', 'client'] }));
  writeKeyPair(dir, 'healthcheck-client', await issueClient(etcd, 'kube-etcd-healthcheck-client'));
}

async function writeApiserverFiles(
  dir: string,
  options: { host: HostPlan; plan: LabPlan; etcd: Authority; kubernetes: Authority },
): Promise<void> {
  const { host, plan, etcd, kubernetes } = options;
  writeKeyPair(dir, 'ca', kubernetes);
  const serving = await kubernetes.issue({
    commonName: 'kube-apiserver',
    dnsNames: [host.name, plan.endpoint.dnsName, ...LOOPBACK.dnsNames, ...SERVICE.dnsNames],
    ipAddresses: [...host.addresses, ...plan.endpoint.addresses, ...LOOPBACK.ipAddresses, ...SERVICE.ipAddresses],
    usages: ['server'],
    validityDays: VALIDITY_DAYS,
  });
  writeKeyPair(dir, 'apiserver', serving);
  writeKeyPair(dir, 'apiserver-etcd-client', await issueClient(etcd, 'kube-apiserver-etcd-client'));
}

/** The client trusts both authorities, may ask etcd for its health and is administrator of the API. */
async function writeClientFiles(dir: string, authorities: { etcd: Authority; kubernetes: Authority }): Promise<void> {
  const { etcd, kubernetes } = authorities;
  writePlain(join(dir, 'ca.crt'), { text: kubernetes.certPem, mode: 0o644 });
  writePlain(join(dir, 'etcd/ca.crt'), { text: etcd.certPem, mode: 0o644 });
  writeKeyPair(join(dir, 'etcd'), 'healthcheck-client', await issueClient(etcd, 'kube-etcd-healthcheck-client'));
  writeKeyPair(dir, 'admin', await issueClient(kubernetes, 'kubernetes-admin'));
}

async function issueClient(authority: Authority, commonName: string): ReturnType<Authority['issue']> {
  // The API server gives administrators' rights to this group (RBAC); etcd looks at the signature only.
  return await authority.issue({
    ...NO_NAMES,
    commonName,
    organization: 'system:masters',
    usages: ['client'],
    validityDays: VALIDITY_DAYS,
  });
}
