/** What a certificate of a host says, and what is wrong with it: read by drivers, judged here. */
import type { Cluster } from '../cluster/schema.ts';
import { type AuthorityName, endpointNames } from './plan.ts';

export type CertificateKind = 'authority' | 'certificate' | 'kubeconfig';

interface Place {
  /** As `hale certificates renew` takes it: below the folder of certificates and without ending (`etcd/server`), or the name of a kubeconfig. */
  name: string;
  path: string;
  kind: CertificateKind;
}

/** A file that should hold a certificate, and why none can be read from it. */
export interface UnreadableCertificate extends Place {
  unreadable: string;
}

export interface CertificateFacts extends Place {
  subject: string;
  issuer: string;
  dnsNames: readonly string[];
  /** In canonical text (RFC 5952). */
  ipAddresses: readonly string[];
  /** ISO 8601, UTC. */
  notBefore: string;
  notAfter: string;
  /** Path of the file of its key; the kubeconfig itself when that holds it. */
  keyPath: string;
  /** Null when there is no key. An authority may be there without. */
  keyMatches: boolean | null;
  keyReadableByOthers: boolean;
  /** The authority beside it that has to have signed it; null for a certificate that Kubernetes does not know: any may have. */
  authority: AuthorityName | null;
  /** Null when that authority is not there. */
  signedByAuthority: boolean | null;
  /** Of a kubeconfig: the API that it leads to, and whether it believes the authority beside it. */
  server?: string;
  trustsAuthority?: boolean | null;
  /** A renewal was cut short between its two files; `hale certificates renew` finishes it or takes it back. */
  halfRenewed: boolean;
}

export type CertificateFile = CertificateFacts | UnreadableCertificate;

export type ProblemCode =
  | 'unreadable'
  | 'half-renewed'
  | 'key-missing'
  | 'key-mismatch'
  | 'key-readable'
  | 'not-yet-valid'
  | 'expired'
  | 'ends-soon'
  | 'wrong-authority'
  | 'names-missing';

export interface CertificateProblem {
  code: ProblemCode;
  /** For people, without the name of the certificate. */
  text: string;
}

export interface JudgeOptions {
  /** Unix time. */
  nowMs: number;
  /** A certificate that ends sooner is a finding (`thresholds.certificateDays`). */
  days: number;
  /** Whose address and name the API server's certificate has to have; without it that is not looked at. */
  cluster?: Pick<Cluster, 'endpoint'> | undefined;
}

export const DAY_MS = 86_400_000;

/** All that is wrong with a certificate. */
export function certificateProblems(file: CertificateFile, options: JudgeOptions): CertificateProblem[] {
  if ('unreadable' in file) return [{ code: 'unreadable', text: file.unreadable }];
  return [...keyProblems(file), ...timeProblems(file, options), ...authorityProblems(file), ...nameProblems(file, options)];
}

function keyProblems(file: CertificateFacts): CertificateProblem[] {
  const found: CertificateProblem[] = [];
  if (file.halfRenewed) {
    found.push({ code: 'half-renewed', text: `its renewal was cut short: run hale certificates renew ${file.name} once more` });
  }
  if (file.keyMatches === null && file.kind !== 'authority')
    found.push({ code: 'key-missing', text: `its key ${file.keyPath} is missing` });
  if (file.keyMatches === false) found.push({ code: 'key-mismatch', text: `the key in ${file.keyPath} is not its own` });
  if (file.keyReadableByOthers) found.push({ code: 'key-readable', text: `others can read its key: chmod 600 ${file.keyPath}` });
  return found;
}

function timeProblems({ notBefore, notAfter }: CertificateFacts, { nowMs, days }: JudgeOptions): CertificateProblem[] {
  const endsInMs = Date.parse(notAfter) - nowMs;
  if (Date.parse(notBefore) > nowMs) {
    return [
      {
        code: 'not-yet-valid',
        text: `not valid before ${notBefore}: is the clock of this host right, which says ${new Date(nowMs).toISOString()}?`,
      },
    ];
  }
  if (endsInMs <= 0) return [{ code: 'expired', text: `expired on ${notAfter}` }];
  return endsInMs < days * DAY_MS ? [{ code: 'ends-soon', text: `ends on ${notAfter}, in less than ${days} days` }] : [];
}

function authorityProblems({ signedByAuthority, authority, issuer, trustsAuthority }: CertificateFacts): CertificateProblem[] {
  const found: CertificateProblem[] = [];
  if (signedByAuthority === false) {
    found.push({ code: 'wrong-authority', text: `signed by another ${issuer} than ${authority ?? 'any authority'} that is here` });
  }
  if (trustsAuthority === false)
    found.push({ code: 'wrong-authority', text: `believes another authority than ${authority ?? 'the one'} that is here` });
  return found;
}

function nameProblems({ name, dnsNames, ipAddresses }: CertificateFacts, { cluster }: JudgeOptions): CertificateProblem[] {
  if (cluster === undefined || name !== 'apiserver') return [];
  const wanted = endpointNames(cluster);
  const missing = [...missingOf(wanted.ipAddresses, ipAddresses), ...missingOf(wanted.dnsNames, dnsNames)];
  return missing.length === 0
    ? []
    : [{ code: 'names-missing', text: `does not name ${missing.join(' and ')}, at which clients reach the API` }];
}

const missingOf = (wanted: readonly string[], there: readonly string[]): string[] => wanted.filter((name) => !there.includes(name));
