import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { readCluster } from '../../src/core/cluster/read.ts';
import type { Cluster, ClusterHost } from '../../src/core/cluster/schema.ts';
import { findProgram } from '../../src/lab/find-program.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A folder with a cluster.yaml, and below `out` the certificates of its hosts. */
export interface CertificateFolder {
  dir: string;
  file: string;
  cluster: Cluster;
  host: ClusterHost;
  folderOf(host: string): string;
  /** The folder of certificates of cp1. */
  pki: string;
  remove(): void;
}

export function certificateFolder(more: object = {}): CertificateFolder {
  const dir = mkdtempSync(join(tmpdir(), 'hale-certificates-'));
  const text = stringify({
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'prod',
    endpoint: { address: '10.0.0.100', dnsName: 'api.example.com' },
    controlPlane: { hosts: ['cp1', 'cp2', 'cp3'].map((name, i) => ({ name, address: `10.0.0.${11 + i}/24` })) },
    ...more,
  });
  const file = join(dir, 'cluster.yaml');
  writeFileSync(file, text);
  const read = readCluster(text, file);
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('\n'));
  const folderOf = (host: string) => join(dir, 'out', host);
  return {
    dir,
    file,
    cluster: read.cluster,
    host: read.cluster.controlPlane.hosts[0] as ClusterHost,
    folderOf,
    pki: join(folderOf('cp1'), 'etc/kubernetes/pki'),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Why tests that need openssl(1) are skipped, for their titles; undefined when it is there. */
export const opensslMissing = findProgram('openssl') === undefined ? 'skipped: no openssl' : undefined;

/** What openssl(1) says; throws with its complaint. */
export function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** `hale certificates`, from the sources. */
export function haleCertificates(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'src/cli/main.ts'), 'certificates', ...args], {
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
}
