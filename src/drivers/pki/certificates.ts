/** Certificates from outside, which may be anything: what is read here throws nowhere later. */
import { X509Certificate } from 'node:crypto';
// oxlint-disable-next-line import/no-unassigned-import -- has to run before @peculiar/x509 loads
import './reflect-metadata.ts';
import * as x509 from '@peculiar/x509';
import { formatIp, parseIp } from '../../base/address.ts';
import { printable } from '../../base/printable.ts';
import type { CertificateFacts } from '../../core/pki/certificate.ts';
import { readKey } from './keys.ts';

export type Certificates = readonly [X509Certificate, ...X509Certificate[]];

/** The certificates of a PEM file, in their order; undefined when one cannot be read, or there is none. */
export function parseCertificates(text: string): Certificates | undefined {
  try {
    const [first, ...rest] = (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => {
      const certificate = new X509Certificate(pem);
      // OpenSSL puts off what the other library, its own dates and its key would stumble over.
      contentsOf(certificate);
      assertKey(certificate);
      return certificate;
    });
    return first && [first, ...rest];
  } catch {
    return undefined;
  }
}

function assertKey({ publicKey }: X509Certificate): void {
  if (publicKey.type !== 'public') throw new Error('no public key');
}

type Contents = Pick<CertificateFacts, 'subject' | 'issuer' | 'dnsNames' | 'ipAddresses' | 'notBefore' | 'notAfter'>;

export function contentsOf(certificate: X509Certificate): Contents {
  const parsed = new x509.X509Certificate(certificate.raw);
  const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
  const named = (wanted: x509.GeneralNameType): string[] => names.filter(({ type }) => type === wanted).map(({ value }) => value);
  return {
    subject: printable(parsed.subject),
    issuer: printable(parsed.issuer),
    dnsNames: named('dns'),
    ipAddresses: named('ip').flatMap((address) => {
      const bytes = parseIp(address);
      return bytes === undefined ? [] : [formatIp(bytes)];
    }),
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
  };
}

export function belongsTo(certificate: X509Certificate, keyPem: string): boolean {
  const key = readKey(keyPem);
  return key !== undefined && certificate.checkPrivateKey(key);
}

/** Whether one of `signers` signed the first, or one of the certificates that follow it, each of which signed the one before. */
export function leadsTo([leaf, ...between]: Certificates, signers: readonly X509Certificate[]): boolean {
  if (signers.some((signer) => signedBy(leaf, signer))) return true;
  const [next, ...rest] = between;
  return next !== undefined && signedBy(leaf, next) && leadsTo([next, ...rest], signers);
}

function signedBy(certificate: X509Certificate, signer: X509Certificate): boolean {
  return certificate.checkIssued(signer) && certificate.verify(signer.publicKey);
}
