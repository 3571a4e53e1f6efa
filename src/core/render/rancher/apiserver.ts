import type { Cluster } from '../../cluster/schema.ts';
import { auditPolicy, authenticationConfig } from '../api-files.ts';
import { auditFlags, drainFlags, spreadFlags } from '../apiserver-flags.ts';
import type { RenderedFile } from '../file.ts';
import type { Flag } from '../flags.ts';
import { kubernetesMinor } from '../release.ts';
import type { Flavour } from './flavour.ts';

const AUDIT_POLICY = 'audit-policy.yaml';

/** Files that the API server of a server reads. */
export function apiserverFiles(cluster: Cluster, { folder }: Flavour): RenderedFile[] {
  return [auditPolicy(`${folder}/${AUDIT_POLICY}`), ...healthForAll(cluster, folder)];
}

/** k3s and RKE2 let nobody in without credentials, not even to ask for health, unless they are given such a file; releases before 1.34 do not all accept it. */
function healthForAll(cluster: Cluster, folder: string): RenderedFile[] {
  return kubernetesMinor(cluster) < 34 ? [] : authenticationConfig(cluster, `${folder}/authentication.yaml`);
}

/** `kube-apiserver-arg`, beside what k3s and RKE2 say themselves. */
export function apiserverFlags(cluster: Cluster, flavour: Flavour): Flag[] {
  const { name, folder, dataDir } = flavour;
  const why = 'Balancers ask /readyz without credentials, which would be refused (401); nothing else is open to them.';
  const [file] = healthForAll(cluster, folder);
  const audit = auditFlags({ policy: `${folder}/${AUDIT_POLICY}`, log: `${dataDir}/server/logs/audit.log` });
  return [
    file === undefined ? { name: 'anonymous-auth', value: 'true', why } : { name: 'authentication-config', value: file.path, why },
    ...spreadFlags(cluster),
    // The API server of k3s is a part of its process, and ends with it.
    ...(name === 'rke2' ? drainFlags(cluster) : []),
    // RKE2 has a key of its own for it.
    ...(name === 'rke2' ? [] : audit),
  ];
}

/** RKE2 says where the log is, and how long it is kept, itself. */
export function auditKey({ name, folder }: Flavour): Record<string, unknown> {
  return name === 'rke2' ? { 'audit-policy-file': `${folder}/${AUDIT_POLICY}` } : {};
}
