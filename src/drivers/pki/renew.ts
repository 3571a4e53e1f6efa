import { dirname, join, resolve } from 'node:path';
import { HaleError } from '../../base/error.ts';
import type { Cluster, ClusterHost } from '../../core/cluster/schema.ts';
import type { CertificateFacts, CertificateFile } from '../../core/pki/certificate.ts';
import { renewKubeconfig } from '../../core/pki/kubeconfig.ts';
import {
  AUTHORITIES,
  type AuthorityName,
  CERTIFICATE_DAYS,
  type CertificatePlan,
  hostCertificates,
  hostKubeconfigs,
  type KubeconfigPlan,
} from '../../core/pki/plan.ts';
import { readIfThere } from '../read-if-there.ts';
import { type Authority, readAuthority } from './authority.ts';
import { CLIENT, clientKubeconfig } from './create.ts';
import { kubeconfigCertificate, readCertificates } from './read.ts';
import { replaceKubeconfig, replacePair } from './replace.ts';

export interface RenewalOptions {
  /** The folder of certificates of a host; its kubeconfigs are in the folder above. */
  dir: string;
  cluster: Cluster;
  host: ClusterHost;
  /** Names as in `readCertificates`; `all` are those that are there. */
  names: readonly string[] | 'all';
}

/** What renewing one certificate changes, beside its key and its time. */
export interface Renewal {
  name: string;
  path: string;
  /** When the present one ends (ISO 8601, UTC); undefined when there is none that can be read. */
  endsNow: string | undefined;
  /** Names and addresses that it gets in addition. */
  addedNames: string[];
  /** The API that a kubeconfig leads to, when that changes. */
  server?: { from: string; to: string };
  /** What is made, as the plan has it, without touching any file. */
  make(authorities: OpenAuthorities): Promise<() => void>;
}

type OpenAuthorities = (name: AuthorityName) => Promise<Authority>;

/**
 * What a renewal would do: a new key, the same subject, the names that cluster.yaml wants now and those that the present certificate has in addition. Nothing is
 * written. Throws HaleError `authority_not_renewed`, `certificate_unknown`.
 */
export function planRenewals({ dir, cluster, host, names }: RenewalOptions): Renewal[] {
  const there = new Map(readCertificates(dir).map((file) => [file.name, file]));
  const certificates = hostCertificates(cluster, host).map((plan) => certificateRenewal(plan, { dir, present: there.get(plan.path) }));
  const kubeconfigs = hostKubeconfigs(cluster, host).map((plan) =>
    kubeconfigRenewal(plan, { dir, cluster, present: there.get(plan.file) }),
  );
  const known = [...certificates, ...kubeconfigs];
  if (names === 'all') return known.filter(({ name }) => there.has(name));
  return [...new Set(names)].map((name) => known.find((one) => one.name === name) ?? refuse(name, known));
}

function refuse(name: string, known: readonly Renewal[]): never {
  const list = known.map((one) => one.name).join(', ');
  if (Object.hasOwn(AUTHORITIES, name)) {
    throw new HaleError({
      code: 'authority_not_renewed',
      kind: 'usage',
      message: `${name} is an authority, and those are never renewed: whatever trusts the old one would have to trust the new one first`,
      remedy: `name one of ${list}`,
    });
  }
  throw new HaleError({
    code: 'certificate_unknown',
    kind: 'usage',
    message: `${JSON.stringify(name)} is no certificate of this host that hale renews`,
    remedy: `name one of ${list}`,
  });
}

/** Renews: everything is signed before the first file is touched, then one after the other is replaced. Throws HaleError `certificate_not_replaced`, `authority_key_missing`, `authority_unusable`. */
export async function renew(dir: string, renewals: readonly Renewal[]): Promise<void> {
  const open = new Map<AuthorityName, Promise<Authority>>();
  const authorities: OpenAuthorities = (name) => {
    const authority = open.get(name) ?? openAuthority(dir, name);
    open.set(name, authority);
    return authority;
  };
  const replacements: (() => void)[] = [];
  for (const renewal of renewals) replacements.push(await renewal.make(authorities));
  for (const replace of replacements) replace();
}

async function openAuthority(dir: string, name: AuthorityName): Promise<Authority> {
  const place = join(dir, name);
  const [certPem, keyPem] = [readIfThere(`${place}.crt`), readIfThere(`${place}.key`)];
  if (certPem !== undefined && keyPem !== undefined) return await readAuthority({ certPem, keyPem, place });
  throw new HaleError({
    code: 'authority_key_missing',
    kind: 'usage',
    message: `${place}: its ${certPem === undefined ? 'certificate' : 'key'} is not there, which has to sign`,
    remedy: 'put certificate and key of the authority there for the time of this command, or renew where they are kept',
  });
}

function certificateRenewal(plan: CertificatePlan, { dir, present }: { dir: string; present: CertificateFile | undefined }): Renewal {
  const { path: name, authority, ...request } = plan;
  const old = readable(present);
  // A name that somebody uses must not go because a certificate became old.
  const dnsNames = joined(request.dnsNames, old?.dnsNames);
  const ipAddresses = joined(request.ipAddresses, old?.ipAddresses);
  const target = join(dir, name);
  return {
    name,
    path: `${target}.crt`,
    endsNow: old?.notAfter,
    addedNames: [...dnsNames, ...ipAddresses].filter((one) => ![...(old?.dnsNames ?? []), ...(old?.ipAddresses ?? [])].includes(one)),
    async make(authorities) {
      const signer = await authorities(authority);
      const renewalOf = old && readIfThere(old.path);
      const names = { dnsNames, ipAddresses };
      const pair = await signer.issue({
        ...request,
        ...names,
        ...(renewalOf !== undefined && { renewalOf }),
        validityDays: CERTIFICATE_DAYS,
      });
      return () => replacePair(target, pair);
    },
  };
}

interface KubeconfigPlace {
  dir: string;
  cluster: Cluster;
  present: CertificateFile | undefined;
}

function kubeconfigRenewal(plan: KubeconfigPlan, { dir, cluster, present }: KubeconfigPlace): Renewal {
  const { file, server, ...who } = plan;
  const path = join(dirname(resolve(dir)), file);
  const old = readable(present);
  return {
    name: file,
    path,
    endsNow: old?.notAfter,
    addedNames: [],
    ...(old?.server !== undefined && old.server !== server && { server: { from: old.server, to: server } }),
    async make(authorities) {
      const authority = await authorities('ca');
      const renewalOf = old && kubeconfigCertificate(path);
      const pair = await authority.issue({ ...who, ...CLIENT, ...(renewalOf !== undefined && { renewalOf }) });
      const facts = { server, caPem: authority.certPem, ...pair };
      const text =
        renewKubeconfig(readIfThere(path) ?? '', { ...facts, base64 }) ?? clientKubeconfig({ cluster, user: who.commonName, ...facts });
      return () => replaceKubeconfig(path, text);
    },
  };
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function readable(file: CertificateFile | undefined): CertificateFacts | undefined {
  return file === undefined || 'unreadable' in file ? undefined : file;
}

function joined(wanted: readonly string[], present: readonly string[] = []): string[] {
  return [...new Set([...wanted, ...present])];
}
