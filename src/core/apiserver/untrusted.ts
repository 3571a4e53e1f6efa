import { printable } from '../../base/printable.ts';
import { DAY_MS } from '../pki/certificate.ts';

/** Why Node refused a certificate: a code of OpenSSL's X509_V_ERR_… without that prefix, or of Node. */
export interface CertificateRefusal {
  code: string;
  message: string;
}

/** What was seen of it, and when. */
export interface ShownCertificate {
  subject: string;
  issuer: string;
  /** ISO 8601, UTC. */
  notBefore: string;
  notAfter: string;
  /** Unix time of this host, and what the API server says it is; NaN when it does not say. */
  nowMs: number;
  theirNowMs: number;
}

/** Clocks that are nearer to each other are not worth a word. */
const SKEW_MS = 60_000;

/** Of a chain that does not lead to the authority that this host trusts. */
const FOREIGN = [
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
];

/** Why an API server's certificate is refused, in words; `shown` is what it is, where that could be seen. */
export function untrustedText({ code, message }: CertificateRefusal, shown?: ShownCertificate): string {
  if (shown === undefined) return printable(`its certificate is refused: ${message}`);
  const name = `its certificate (${oneLine(shown.subject)})`;
  const { notBefore, notAfter } = shown;
  const reason =
    Date.parse(notAfter) <= shown.nowMs
      ? `${name} expired on ${notAfter}`
      : Date.parse(notBefore) > shown.nowMs
        ? `${name} is not valid before ${notBefore}`
        : FOREIGN.includes(code)
          ? `${name}, valid until ${notAfter}, is signed by another ${oneLine(shown.issuer)} than the authority that this host trusts`
          : `${name}, valid until ${notAfter}, is refused: ${code === 'CERT_HAS_EXPIRED' ? 'that of its authority has expired' : message}`;
  return printable(`${reason}${skewText(shown)}`);
}

/** Several attributes are several lines in Node. */
const oneLine = (subject: string): string => subject.split('\n').join(', ');

function skewText({ nowMs, theirNowMs }: ShownCertificate): string {
  const skewMs = nowMs - theirNowMs;
  if (Number.isNaN(skewMs) || Math.abs(skewMs) < SKEW_MS) return '';
  return `; the clock of this host is ${durationText(Math.abs(skewMs))} ${skewMs > 0 ? 'ahead of' : 'behind'} its clock`;
}

function durationText(ms: number): string {
  const [amount, unit] = ms >= 2 * DAY_MS ? [ms / DAY_MS, 'days'] : [ms / 60_000, 'minutes'];
  return `${Math.round(amount)} ${unit}`;
}
