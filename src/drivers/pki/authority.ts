// oxlint-disable-next-line import/no-unassigned-import -- has to run before @peculiar/x509 loads
import './reflect-metadata.ts';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { formatIp, parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';

/** A certificate and its private key (PKCS#8), both PEM. */
export interface KeyPair {
  certPem: string;
  keyPem: string;
}

export interface CertificateRequest {
  commonName: string;
  /** Kubernetes and etcd read it as the group. */
  organization?: string;
  dnsNames: readonly string[];
  /** IPv4 and IPv6, in any textual form. */
  ipAddresses: readonly string[];
  usages: readonly ('server' | 'client')[];
  /** Cut to the authority's own end, which a verifier would enforce anyway. */
  validityDays: number;
}

/** A certificate authority: one self-signed ECDSA P-256 key that signs end-entity certificates (RFC 5280). */
export interface Authority extends KeyPair {
  issue(request: CertificateRequest): Promise<KeyPair>;
}

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** Hosts whose clocks run behind must accept a certificate that was made just now. */
const CLOCK_SKEW_MS = 5 * 60_000;

export async function createAuthority(options: { commonName: string; validityDays: number }): Promise<Authority> {
  const keys = await generateKeys();
  const notAfter = new Date(Date.now() + options.validityDays * DAY_MS);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: distinguishedName({ CN: options.commonName }),
    notBefore: new Date(Date.now() - CLOCK_SKEW_MS),
    notAfter,
    keys,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const issuer = { certificate, keys };
  return {
    certPem: `${certificate.toString('pem')}\n`,
    keyPem: await exportKey(keys.privateKey),
    issue: (request) => issue(issuer, request),
  };
}

interface Issuer {
  certificate: x509.X509Certificate;
  keys: webcrypto.CryptoKeyPair;
}

async function issue(issuer: Issuer, request: CertificateRequest): Promise<KeyPair> {
  const keys = await generateKeys();
  const names = subjectAltNames(request);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: distinguishedName({ ...(request.organization === undefined ? {} : { O: request.organization }), CN: request.commonName }),
    issuer: issuer.certificate.subjectName,
    notBefore: new Date(Date.now() - CLOCK_SKEW_MS),
    notAfter: new Date(Math.min(Date.now() + request.validityDays * DAY_MS, issuer.certificate.notAfter.getTime())),
    publicKey: keys.publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(request.usages.map((usage) => x509.ExtendedKeyUsage[`${usage}Auth`])),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
      // An empty SEQUENCE of names is not allowed (RFC 5280 section 4.2.1.6).
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  return { certPem: `${certificate.toString('pem')}\n`, keyPem: await exportKey(keys.privateKey) };
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

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}
