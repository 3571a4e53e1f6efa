/** Keys, certificates and kubeconfigs of one control-plane host, as `kubeadm init` would leave them: all of root, keys for root alone. */
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Cluster, ClusterHost } from '../../src/core/cluster/schema.ts';
import { kubeconfigText } from '../../src/core/pki/kubeconfig.ts';
import { AUTHORITIES, type AuthorityName, hostCertificates, hostKubeconfigs } from '../../src/core/pki/plan.ts';
import { type Authority, createAuthority, type KeyPair } from '../../src/drivers/pki/authority.ts';

const DAYS = 1;

/** `root` is the host's root directory. */
export async function writeControlPlaneFiles(root: string, { cluster, host }: { cluster: Cluster; host: ClusterHost }): Promise<void> {
  const kubernetes = join(root, 'etc/kubernetes');
  const pki = join(kubernetes, 'pki');
  const names = Object.entries(AUTHORITIES) as [AuthorityName, string][];
  const authorities = {} as Record<AuthorityName, Authority>;
  for (const [path, commonName] of names) {
    authorities[path] = await createAuthority({ commonName, validityDays: DAYS });
    writePair(join(pki, path), authorities[path]);
  }
  for (const { path, authority, ...request } of hostCertificates(cluster, host)) {
    writePair(join(pki, path), await authorities[authority].issue({ ...request, validityDays: DAYS }));
  }
  for (const { file, server, commonName, ...who } of hostKubeconfigs(cluster, host)) {
    const request = { ...who, commonName, dnsNames: [], ipAddresses: [], usages: ['client'] as const, validityDays: DAYS };
    const pair = await authorities.ca.issue(request);
    const facts = { clusterName: cluster.name, server, user: commonName, caPem: authorities.ca.certPem, ...pair };
    const text = kubeconfigText(facts, (plain) => Buffer.from(plain).toString('base64'));
    write(join(kubernetes, file), { text, mode: 0o600 });
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  write(join(pki, 'sa.key'), { text: privateKey.export({ type: 'sec1', format: 'pem' }).toString(), mode: 0o600 });
  write(join(pki, 'sa.pub'), { text: publicKey.export({ type: 'spki', format: 'pem' }).toString(), mode: 0o644 });
  // Nobody else may even look: the units do not depend on it.
  chmodSync(kubernetes, 0o700);
}

function writePair(path: string, { certPem, keyPem }: KeyPair): void {
  write(`${path}.crt`, { text: certPem, mode: 0o644 });
  write(`${path}.key`, { text: keyPem, mode: 0o600 });
}

function write(path: string, { text, mode }: { text: string; mode: number }): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
}
