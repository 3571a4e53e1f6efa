// oxlint-disable-next-line import/no-unassigned-import -- has to run before @peculiar/x509 loads
import './reflect-metadata.ts';
import * as x509 from '@peculiar/x509';
import { formatIp, parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import { parseCertificates } from './certificates.ts';
import { generateKeys, importKeys, readKey, type SigningKeys } from './keys.ts';

/** A certificate and its private key (PKCS#8), both PEM. */
export interface KeyPair {
  certPem: string;
  keyPem: string;
}

export interface CertificateRequest {
  commonName: string;
  /** Kubernetes and etcd read it as the group. */
  organization?: string;
  /** PEM of a certificate whose subject is taken over as it is, in place of the two above. */
  renewalOf?: string;
  /** PEM of the private key to certify; without it a new one is made (ECDSA P-256). */
  keyPem?: string;
  dnsNames: readonly string[];
  /** IPv4 and IPv6, in any textual form. */
  ipAddresses: readonly string[];
  usages: readonly ('server' | 'client')[];
  /** Cut to the authority's own end, which a verifier would enforce anyway. */
  validityDays: number;
}

/** A certificate authority: a key that signs end-entity certificates (RFC 5280). */
export interface Authority extends KeyPair {
  issue(request: CertificateRequest): Promise<KeyPair>;
}

const DAY_MS = 86_400_000;
/** Hosts whose clocks run behind must accept a certificate that was made just now. kubeadm backdates as much. */
const CLOCK_SKEW_MS = 5 * 60_000;

/** A new authority with a key of its own (ECDSA P-256), signed by itself. As kubeadm's it does not limit the path below it. */
export async function createAuthority(options: { commonName: string; validityDays: number }): Promise<Authority> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: distinguishedName({ CN: options.commonName }),
    notBefore: new Date(Date.now() - CLOCK_SKEW_MS),
    notAfter: new Date(Date.now() + options.validityDays * DAY_MS),
    keys,
    signingAlgorithm: keys.signing,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      // kubeadm also says keyEncipherment, which keys for ECDSA cannot do (RFC 5480 section 3).
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const issuer = { certificate, keys };
  return { certPem: `${certificate.toString('pem')}\n`, keyPem: keys.pem, issue: (request) => issue(issuer, request) };
}

/**
 * An authority that exists: RSA or ECDSA (P-256, P-384, P-521), its key in PKCS#1, SEC1 or PKCS#8 without a passphrase, so what kubeadm, cfssl and openssl
 * make. The first certificate of `certPem` that belongs to the key counts: while an authority is replaced, its file holds the new and the old one. `place`
 * is what errors call it. Throws HaleError `authority_unusable`.
 */
export async function readAuthority({ certPem, keyPem, place }: KeyPair & { place: string }): Promise<Authority> {
  const key = readKey(keyPem);
  if (key === undefined) throw unusable(place, 'its key cannot be read, or needs a passphrase');
  const certificate = parseCertificates(certPem)?.find((one) => one.checkPrivateKey(key));
  if (certificate === undefined) throw unusable(place, 'its certificate cannot be read, or does not belong to its key');
  if (!certificate.ca) throw unusable(place, 'its certificate is not that of an authority (RFC 5280 section 4.2.1.9)');
  if (certificate.validToDate.getTime() <= Date.now()) throw unusable(place, `it ended on ${certificate.validToDate.toISOString()}`);
  const keys = await importKeys(key);
  if (keys === undefined) throw unusable(place, `it has a key of type ${key.asymmetricKeyType ?? 'unknown'}, which is not supported`);
  const issuer = { certificate: new x509.X509Certificate(certificate.raw), keys };
  return { certPem, keyPem, issue: (request) => issue(issuer, request) };
}

const unusable = (place: string, reason: string) =>
  new HaleError({
    code: 'authority_unusable',
    kind: 'world',
    message: `the authority ${place} cannot sign: ${reason}`,
    remedy: 'put back its own certificate and key from a backup; what another authority signs is refused by the rest of the cluster',
  });

interface Issuer {
  certificate: x509.X509Certificate;
  keys: SigningKeys;
}

async function issue(issuer: Issuer, request: CertificateRequest): Promise<KeyPair> {
  const keys = await subjectKeys(request);
  const { notBefore, notAfter } = issuer.certificate;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: subjectOf(request),
    issuer: issuer.certificate.subjectName,
    notBefore: new Date(Math.max(Date.now() - CLOCK_SKEW_MS, notBefore.getTime())),
    notAfter: new Date(Math.min(Date.now() + request.validityDays * DAY_MS, notAfter.getTime())),
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: issuer.keys.signing,
    extensions: await endEntityExtensions(issuer, { request, keys }),
  });
  return { certPem: `${certificate.toString('pem')}\n`, keyPem: keys.pem };
}

async function endEntityExtensions(
  { certificate, keys: own }: Issuer,
  { request, keys }: { request: CertificateRequest; keys: SigningKeys },
): Promise<x509.Extension[]> {
  const names = subjectAltNames(request);
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const authorityKey = certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(keys.rsa ? digitalSignature | keyEncipherment : digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(request.usages.map((usage) => x509.ExtendedKeyUsage[`${usage}Auth`])),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    // The authority's own word for its key: each program computes it in its own way (RFC 5280 section 4.2.1.1).
    authorityKey === undefined
      ? await x509.AuthorityKeyIdentifierExtension.create(own.publicKey)
      : new x509.AuthorityKeyIdentifierExtension(authorityKey),
    // An empty SEQUENCE of names is not allowed (RFC 5280 section 4.2.1.6).
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
  ];
}

async function subjectKeys({ keyPem, commonName }: CertificateRequest): Promise<SigningKeys> {
  if (keyPem === undefined) return await generateKeys();
  const key = readKey(keyPem);
  const keys = key && (await importKeys(key));
  if (keys !== undefined) return { ...keys, pem: keyPem };
  throw new HaleError({
    code: 'certificate_key_unreadable',
    kind: 'world',
    message: `certificate ${JSON.stringify(commonName)}: the key that is there cannot be read, or is neither RSA nor ECDSA`,
    remedy: 'move the key file away; a new key is made then',
  });
}

function subjectOf({ renewalOf, organization, commonName }: CertificateRequest): x509.Name {
  if (renewalOf !== undefined) return new x509.X509Certificate(renewalOf).subjectName;
  return distinguishedName({ ...(organization === undefined ? {} : { O: organization }), CN: commonName });
}

/** Typed values, because the library reads quotes, commas and # in a plain string as syntax. */
function distinguishedName(attributes: Record<string, string>): x509.Name {
  return new x509.Name(Object.entries(attributes).map(([type, value]) => ({ [type]: [{ utf8String: value }] })));
}

function subjectAltNames(request: CertificateRequest): x509.JsonGeneralName[] {
  const addresses = request.ipAddresses.map((text) => {
    const bytes = parseIp(text);
    if (bytes === undefined) {
      throw new HaleError({
        code: 'certificate_address_invalid',
        kind: 'usage',
        message: `certificate ${JSON.stringify(request.commonName)}: ${JSON.stringify(text)} is not an IP address`,
        remedy: 'give an IPv4 or IPv6 address without port or prefix length',
      });
    }
    return { type: 'ip' as const, value: formatIp(bytes) };
  });
  return [...request.dnsNames.map((value) => ({ type: 'dns' as const, value })), ...addresses];
}
