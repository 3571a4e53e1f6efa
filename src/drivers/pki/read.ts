import type { X509Certificate } from 'node:crypto';
import { globSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { printable } from '../../base/printable.ts';
import type { CertificateFile } from '../../core/pki/certificate.ts';
import { parseKubeconfig, type Source } from '../../core/pki/current-context.ts';
import { AUTHORITIES, authorityOf, type AuthorityName } from '../../core/pki/plan.ts';
import { readIfThere } from '../read-if-there.ts';
import { belongsTo, type Certificates, contentsOf, leadsTo, parseCertificates } from './certificates.ts';
import { statIfThere } from './files.ts';
import { isHalfRenewed } from './replace.ts';

const READ_BY_OTHERS = 0o004;

/**
 * Every certificate below `dir` (*.crt) and every kubeconfig of the folder above it (*.conf) that holds or names one: authorities first, kubeconfigs last.
 * A file that cannot be read is part of the answer. Throws HaleError `certificates_folder_missing`.
 */
export function readCertificates(dir: string): CertificateFile[] {
  if (statIfThere(dir)?.isDirectory() !== true) {
    throw new HaleError({
      code: 'certificates_folder_missing',
      kind: 'usage',
      message: `${dir} is not a folder`,
      remedy: 'name the folder of certificates with --dir, for example /etc/kubernetes/pki',
    });
  }
  const names = globSync('**/*.crt', { cwd: dir })
    .map((file) => file.slice(0, -'.crt'.length))
    .sort();
  const authorities = readAuthorities(dir);
  const files = names.map((name) => readCertificate({ dir, name, authorities }));
  const rank = (file: CertificateFile): number => (file.kind === 'authority' ? 0 : 1);
  return [...files.sort((a, b) => rank(a) - rank(b)), ...readKubeconfigs(dirname(resolve(dir)), authorities)];
}

type Authorities = ReadonlyMap<AuthorityName, Certificates>;

function readAuthorities(dir: string): Authorities {
  const found = new Map<AuthorityName, Certificates>();
  for (const name of Object.keys(AUTHORITIES) as AuthorityName[]) {
    const certificates = parseCertificates(readFile(join(dir, `${name}.crt`)) ?? '');
    if (certificates !== undefined) found.set(name, certificates);
  }
  return found;
}

function readCertificate({ dir, name, authorities }: { dir: string; name: string; authorities: Authorities }): CertificateFile {
  const target = join(dir, name);
  const place = { name, path: `${target}.crt`, kind: Object.hasOwn(AUTHORITIES, name) ? ('authority' as const) : ('certificate' as const) };
  const certificates = parseCertificates(readFile(place.path) ?? '');
  if (certificates === undefined) return { ...place, unreadable: 'no certificate in PEM can be read from it' };
  const key = { path: `${target}.key`, pem: readFile(`${target}.key`) };
  const halfRenewed = isHalfRenewed(target);
  if (place.kind === 'certificate') {
    const signed = signature(certificates, { name: authorityOf(name), authorities });
    return { ...place, ...contentsOf(certificates[0]), ...keyFacts(certificates[0], key), ...signed, halfRenewed };
  }
  // Its file may also hold the one that it replaces; and it may be signed by one of the user's own, elsewhere.
  const own = certificates.find((one) => keyFacts(one, key).keyMatches) ?? certificates[0];
  return { ...place, ...contentsOf(own), ...keyFacts(own, key), authority: null, signedByAuthority: null, halfRenewed };
}

function keyFacts(certificate: X509Certificate, { path, pem }: { path: string; pem: string | undefined }) {
  return {
    keyPath: path,
    keyMatches: pem === undefined ? null : belongsTo(certificate, pem),
    keyReadableByOthers: ((statIfThere(path)?.mode ?? 0) & READ_BY_OTHERS) !== 0,
  };
}

/** Whether the authority signed it, or one of the certificates that follow it in its file, which the authority signed. */
function signature(certificates: Certificates, { name, authorities }: { name: AuthorityName | undefined; authorities: Authorities }) {
  const signers = name === undefined ? [...authorities.values()].flat() : authorities.get(name);
  return { authority: name ?? null, signedByAuthority: signers === undefined ? null : leadsTo(certificates, signers) };
}

function readKubeconfigs(dir: string, authorities: Authorities): CertificateFile[] {
  return globSync('*.conf', { cwd: dir })
    .sort()
    .flatMap((name) => readKubeconfigFile({ dir, name, authorities }) ?? []);
}

/** Undefined for a kubeconfig without a certificate: one with a token, for example. */
function readKubeconfigFile({
  dir,
  name,
  authorities,
}: {
  dir: string;
  name: string;
  authorities: Authorities;
}): CertificateFile | undefined {
  const place = { name, path: join(dir, name), kind: 'kubeconfig' as const };
  const read = parseKubeconfig(readFile(place.path) ?? '');
  if (!read.ok) return { ...place, unreadable: `${read.fault.at} ${read.fault.problem}` };
  const config = read.kubeconfig;
  if (config.certificate === undefined) return undefined;
  const text = (source: Source | undefined): string | undefined => textOf(source, dir);
  const certificates = parseCertificates(text(config.certificate) ?? '');
  if (certificates === undefined) return { ...place, unreadable: 'no client certificate can be read from it' };
  const keyPath = config.key !== undefined && 'file' in config.key ? resolve(dir, config.key.file) : place.path;
  return {
    ...place,
    ...contentsOf(certificates[0]),
    ...keyFacts(certificates[0], { path: keyPath, pem: text(config.key) }),
    ...signature(certificates, { name: 'ca', authorities }),
    server: printable(config.server.url),
    trustsAuthority: trusts(parseCertificates(text(config.authority) ?? ''), authorities.get('ca')),
    halfRenewed: false,
  };
}

/** PEM of the client certificate of a kubeconfig. */
export function kubeconfigCertificate(path: string): string | undefined {
  const read = parseKubeconfig(readFile(path) ?? '');
  return read.ok ? textOf(read.kubeconfig.certificate, dirname(path)) : undefined;
}

function trusts(trusted: Certificates | undefined, authorities: Certificates | undefined): boolean | null {
  if (authorities === undefined) return null;
  return trusted?.some((one) => authorities.some((other) => one.raw.equals(other.raw))) ?? false;
}

/** Relative paths in a kubeconfig start at its own folder (client-go, clientcmd). */
function textOf(source: Source | undefined, dir: string): string | undefined {
  if (source === undefined) return undefined;
  return 'file' in source ? readFile(resolve(dir, source.file)) : Buffer.from(source.base64, 'base64').toString();
}

/** Undefined when it is not there, or is no file. */
function readFile(path: string): string | undefined {
  try {
    return readIfThere(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EISDIR' || code === 'ENOTDIR') return undefined;
    throw new HaleError({
      code: 'certificates_unreadable',
      kind: 'world',
      message: `${path} cannot be read: ${(error as Error).message}`,
      remedy: 'run this as root, who owns the keys',
      cause: error,
    });
  }
}
