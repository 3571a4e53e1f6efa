import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { HaleError } from '../../base/error.ts';
import type { Cluster, ClusterHost } from '../../core/cluster/schema.ts';
import { kubeconfigText } from '../../core/pki/kubeconfig.ts';
import {
  AUTHORITIES,
  AUTHORITY_DAYS,
  type AuthorityName,
  CERTIFICATE_DAYS,
  clusterAuthorities,
  hostCertificates,
  hostKubeconfigs,
} from '../../core/pki/plan.ts';
import { readIfThere } from '../read-if-there.ts';
import { type Authority, createAuthority, type KeyPair, readAuthority } from './authority.ts';
import { CERTIFICATE_MODE, createFile, isThere, KEY_MODE } from './files.ts';
import { readKey } from './keys.ts';

/** Where files of a host's certificates are, below its `/`. */
const KUBERNETES = 'etc/kubernetes';
const PKI = `${KUBERNETES}/pki`;

export interface ClusterPkiOptions {
  cluster: Cluster;
  /** The folder that is, or becomes, `/` of a control-plane host. */
  folderOf(host: string): string;
}

export interface ClusterPki {
  /** Signs with an authority of the cluster; throws HaleError `authority_key_missing` when it is kept elsewhere. */
  authority(name: AuthorityName): Promise<Authority>;
  /** Paths of the files that were made; those that were there were left as they are. */
  made: string[];
}

/**
 * Makes what is missing of all keys, certificates and kubeconfigs of a cluster, for each control-plane host in a folder of its own: kubeadm's tree of files
 * below etc/kubernetes. Authorities and the service accounts' key are the same on all hosts; one that any host has is used for all. Nothing that exists is
 * changed. Keys and kubeconfigs are 0600, certificates 0644. Throws HaleError `authorities_differ`, `authority_key_missing`, `authority_unusable`.
 */
export async function createClusterPki({ cluster, folderOf }: ClusterPkiOptions): Promise<ClusterPki> {
  const hosts = cluster.controlPlane.hosts.map((host) => ({ host, folder: folderOf(host.name) }));
  const folders = hosts.map(({ folder }) => join(folder, PKI));
  const made: string[] = [];
  const create = (path: string, options: { text: string; mode: number }): void => {
    createFile(path, options);
    made.push(path);
  };
  const authorities = new Map<AuthorityName, OpenAuthority>();
  for (const name of clusterAuthorities(cluster)) authorities.set(name, await shareAuthority({ name, folders, create }));
  shareServiceAccountKey(folders, create);
  const pki: ClusterPki = {
    made,
    async authority(name) {
      const open = authorities.get(name);
      assert(open !== undefined, `the cluster has the authority ${name}`);
      return await open();
    },
  };
  for (const { host, folder } of hosts) await createHostFiles({ cluster, host, dir: join(folder, KUBERNETES), pki, create });
  return pki;
}

type Create = (path: string, options: { text: string; mode: number }) => void;

/** An authority of the cluster, read when it first has to sign: its key may be kept elsewhere when nothing is missing. */
type OpenAuthority = () => Promise<Authority>;

/** Looks for an authority in all folders, makes it when none has it, and gives it to those that lack it. */
async function shareAuthority(options: { name: AuthorityName; folders: readonly string[]; create: Create }): Promise<OpenAuthority> {
  const { name, folders, create } = options;
  const [certificate, key] = [agreed(folders, `${name}.crt`), agreed(folders, `${name}.key`)];
  if (certificate === undefined) {
    if (key !== undefined) throw keyMissing(`${key.path}: its certificate`);
    const authority = await createAuthority({ commonName: AUTHORITIES[name], validityDays: AUTHORITY_DAYS });
    give({ name, folders, create, ...authority });
    return () => Promise.resolve(authority);
  }
  const [certPem, keyPem, place] = [certificate.text, key?.text, certificate.path];
  give({ name, folders, create, certPem, keyPem });
  return async () => {
    if (keyPem === undefined) throw keyMissing(`${place}: its key`);
    return await readAuthority({ certPem, keyPem, place });
  };
}

function give(options: {
  name: AuthorityName;
  folders: readonly string[];
  create: Create;
  certPem: string;
  keyPem: string | undefined;
}): void {
  const { name, folders, create, certPem, keyPem } = options;
  for (const folder of folders) {
    const target = join(folder, name);
    if (keyPem !== undefined && !isThere(`${target}.key`)) create(`${target}.key`, { text: keyPem, mode: KEY_MODE });
    if (!isThere(`${target}.crt`)) create(`${target}.crt`, { text: certPem, mode: CERTIFICATE_MODE });
  }
}

const keyMissing = (what: string) =>
  new HaleError({
    code: 'authority_key_missing',
    kind: 'usage',
    message: `${what} is not there, and certificates are missing that it would have to sign`,
    remedy:
      'put certificate and key of the authority into the folder for the time of this command, or have it sign what is missing where it is kept',
  });

/** The one text that a file has in all folders that hold it, and the first of its places; undefined when no folder does. */
function agreed(folders: readonly string[], file: string): { path: string; text: string } | undefined {
  const [first, ...rest] = folders.flatMap((folder) => {
    const path = join(folder, file);
    const text = readIfThere(path);
    return text === undefined ? [] : [{ path, text }];
  });
  const other = rest.find(({ text }) => text.trim() !== first?.text.trim());
  if (first === undefined || other === undefined) return first;
  throw new HaleError({
    code: 'authorities_differ',
    kind: 'usage',
    message: `${first.path} and ${other.path} are not the same, but hosts of one cluster have it in common`,
    remedy: 'remove the one that does not belong to the cluster, together with what it signed',
  });
}

/** Signs the tokens of service accounts, on any API server (sa.key), which every other has to believe (sa.pub). */
function shareServiceAccountKey(folders: readonly string[], create: Create): void {
  const [found, foundPublic] = [agreed(folders, 'sa.key'), agreed(folders, 'sa.pub')];
  if (found === undefined && foundPublic !== undefined) throw serviceAccountKey(foundPublic.path, 'there is no sa.key that belongs to it');
  const key = found === undefined ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : readKey(found.text);
  if (key === undefined) throw serviceAccountKey(found?.path as string, 'it cannot be read');
  const keyPem = found?.text ?? key.export({ type: 'sec1', format: 'pem' }).toString();
  const publicPem = foundPublic?.text ?? createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
  for (const folder of folders) {
    if (!isThere(join(folder, 'sa.key'))) create(join(folder, 'sa.key'), { text: keyPem, mode: KEY_MODE });
    if (!isThere(join(folder, 'sa.pub'))) create(join(folder, 'sa.pub'), { text: publicPem, mode: CERTIFICATE_MODE });
  }
}

const serviceAccountKey = (path: string, reason: string) =>
  new HaleError({
    code: 'service_account_key_unusable',
    kind: 'usage',
    message: `${path}: ${reason}`,
    remedy: 'put back sa.key and sa.pub as they were; with others every token of a service account becomes void',
  });

async function createHostFiles(options: {
  cluster: Cluster;
  host: ClusterHost;
  dir: string;
  pki: ClusterPki;
  create: Create;
}): Promise<void> {
  const { cluster, host, dir, pki, create } = options;
  for (const { path, authority, ...request } of hostCertificates(cluster, host)) {
    const target = join(dir, 'pki', path);
    if (isThere(`${target}.crt`)) continue;
    // A key without certificate is what a creation leaves that was cut short, or the answer to a request for a certificate: it is kept.
    const keyPem = readIfThere(`${target}.key`);
    const signer = await pki.authority(authority);
    const pair = await signer.issue({ ...request, ...(keyPem !== undefined && { keyPem }), validityDays: CERTIFICATE_DAYS });
    if (keyPem === undefined) create(`${target}.key`, { text: pair.keyPem, mode: KEY_MODE });
    create(`${target}.crt`, { text: pair.certPem, mode: CERTIFICATE_MODE });
  }
  for (const { file, server, ...who } of hostKubeconfigs(cluster, host)) {
    if (isThere(join(dir, file))) continue;
    const authority = await pki.authority('ca');
    const pair = await authority.issue({ ...who, ...CLIENT });
    create(join(dir, file), {
      text: clientKubeconfig({ cluster, server, user: who.commonName, caPem: authority.certPem, ...pair }),
      mode: KEY_MODE,
    });
  }
}

/** What a certificate of a client asks for, beside its name. */
export const CLIENT = { dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: CERTIFICATE_DAYS } as const;

export function clientKubeconfig(facts: KeyPair & { cluster: Cluster; server: string; user: string; caPem: string }): string {
  const { cluster, ...rest } = facts;
  return kubeconfigText({ clusterName: cluster.name, ...rest }, (text) => Buffer.from(text).toString('base64'));
}
