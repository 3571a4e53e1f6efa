import { X509Certificate } from 'node:crypto';
import { globSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
// oxlint-disable-next-line import/no-unassigned-import -- has to run before @peculiar/x509 loads
import './reflect-metadata.ts';
import * as x509 from '@peculiar/x509';
import { formatIp, parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { CertificateFile } from '../../core/pki/certificate.ts';
import { parseKubeconfig, type Source } from '../../core/pki/kubeconfig.ts';
import { AUTHORITIES, authorityOf, type AuthorityName } from '../../core/pki/plan.ts';
import { parseCertificates } from './authority.ts';
import { readIfThere, statIfThere } from './files.ts';
import { readKey } from './keys.ts';
import { isHalfRenewed } from './replace.ts';

const READ_BY_OTHERS = 0o004;

type Certificates = readonly [X509Certificate, ...X509Certificate[]];

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
  const place = { name, path: `${target}.crt`, kind: name in AUTHORITIES ? ('authority' as const) : ('certificate' as const) };
  const certificates = parseCertificates(readFile(place.path) ?? '');
  if (certificates === undefined) return { ...place, unreadable: 'no certificate in PEM can be read from it' };
  const key = { path: `${target}.key`, pem: readFile(`${target}.key`) };
  const halfRenewed = isHalfRenewed(target);
  if (place.kind === 'certificate') {
    const signed = signature(certificates, { name: authorityOf(name), authorities });
    return { ...place, ...contents(certificates[0]), ...keyFacts(certificates[0], key), ...signed, halfRenewed };
  }
  // Its file may also hold the one that it replaces; and it may be signed by one of the user's own, elsewhere.
  const own = certificates.find((one) => keyFacts(one, key).keyMatches) ?? certificates[0];
  return { ...place, ...contents(own), ...keyFacts(own, key), authority: null, signedByAuthority: null, halfRenewed };
}

function contents(certificate: X509Certificate) {
  const parsed = new x509.X509Certificate(certificate.raw);
  const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const named = (wanted: x509.GeneralNameType): string[] => names.filter(({ type }) => type === wanted).map(({ value }) => value);
  return {
    subject: parsed.subject,
    issuer: parsed.issuer,
    dnsNames: named('dns'),
    ipAddresses: named('ip').map((address) => formatIp(parseIp(address) ?? new Uint8Array())),
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
  };
}

function keyFacts(certificate: X509Certificate, { path, pem }: { path: string; pem: string | undefined }) {
  const key = readKey(pem ?? '');
  return {
    keyPath: path,
    keyMatches: pem === undefined ? null : key !== undefined && certificate.checkPrivateKey(key),
    keyReadableByOthers: ((statIfThere(path)?.mode ?? 0) & READ_BY_OTHERS) !== 0,
  };
}

/** Whether the authority signed it, or one of the certificates that follow it in its file, which the authority signed. */
function signature(certificates: Certificates, { name, authorities }: { name: AuthorityName | undefined; authorities: Authorities }) {
  const signers = name === undefined ? [...authorities.values()].flat() : authorities.get(name);
  return { authority: name ?? null, signedByAuthority: signers === undefined ? null : leadsTo(certificates, signers) };
}

function leadsTo([leaf, ...between]: Certificates, signers: readonly X509Certificate[]): boolean {
  if (signers.some((signer) => signedBy(leaf, signer))) return true;
  const [next, ...rest] = between;
  return next !== undefined && signedBy(leaf, next) && leadsTo([next, ...rest], signers);
}

function signedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
  return certificate.checkIssued(signer) && certificate.verify(signer.publicKey);
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
  const config = parseKubeconfig(readFile(place.path) ?? '');
  if (config === undefined) return { ...place, unreadable: 'it is no kubeconfig, or has no current context' };
  if (config.certificate === undefined) return undefined;
  const text = (source: Source): string | undefined => textOf(source, dir);
  const certificates = parseCertificates(text(config.certificate) ?? '');
  if (certificates === undefined) return { ...place, unreadable: 'no client certificate can be read from it' };
  const keyPath = config.key !== undefined && 'file' in config.key ? resolve(dir, config.key.file) : place.path;
  return {
    ...place,
    ...contents(certificates[0]),
    ...keyFacts(certificates[0], { path: keyPath, pem: text(config.key) }),
    ...signature(certificates, { name: 'ca', authorities }),
    server: config.server,
    trustsAuthority: trusts(parseCertificates(text(config.authority) ?? ''), authorities.get('ca')),
    halfRenewed: false,
  };
}

/** PEM of the client certificate of a kubeconfig. */
export function kubeconfigCertificate(path: string): string | undefined {
  return textOf(parseKubeconfig(readFile(path) ?? '')?.certificate, dirname(path));
}

function trusts(trusted: Certificates | undefined, authorities: Certificates | undefined): boolean | null {
  if (authorities === undefined) return null;
  return trusted?.some((one) => authorities.some((other) => one.raw.equals(other.raw))) ?? false;
}

/** Relative paths in a kubeconfig start at its own folder (client-go, clientcmd). */
function textOf(source: Source, dir: string): string | undefined {
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
