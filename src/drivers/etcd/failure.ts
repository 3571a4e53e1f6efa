import { Code, ConnectError } from '@connectrpc/connect';
import { HaleError } from '../../base/error.ts';
import { isServerCertificateError } from '../tls-failure.ts';

/** Why one call at one endpoint failed. */
export interface EtcdFailure {
  endpoint: string;
  code: EtcdErrorCode;
  reason: string;
  /** What may be asked again elsewhere: nothing (etcd has decided), reads (a write may have been applied), or all (nothing was sent). */
  retry: 'none' | 'reads' | 'all';
  cause: unknown;
}

/** Every code that an error of etcd can have, and the way out of it. */
const remedies = {
  etcd_timeout: 'check that the member runs and reaches a majority of the others; a write may or may not have been applied',
  etcd_unavailable: 'check that the member runs, that its client port is reachable, and that etcd has a leader',
  etcd_certificate_refused:
    "use a client certificate that is in date and signed by the authority in etcd's --trusted-ca-file, with client authentication among its usages",
  etcd_server_untrusted: "check that the etcd authority given is the one that signed etcd's certificate, and that it names this address",
  etcd_compacted: 'read the current state again and watch from its revision',
  etcd_refused: "see the reason; etcd's own log on that member says more",
  etcd_closed: 'open a new client; this one was closed while the call ran',
};

type EtcdErrorCode = keyof typeof remedies;

/** Before a connection stands: nothing can have been sent. */
const unreachableCodes = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'];

export function describeFailure(endpoint: string, cause: unknown): EtcdFailure {
  const error = ConnectError.from(cause);
  const failure = (code: EtcdErrorCode, reason: string, retry: EtcdFailure['retry']) => ({ endpoint, code, reason, retry, cause });
  const { code, message } = lowestError(error);
  if (isClientCertificateAlert(code))
    return failure('etcd_certificate_refused', `it refused our client certificate (${tlsAlert(message)})`, 'all');
  if (isServerCertificateError(code)) return failure('etcd_server_untrusted', `its certificate is not trusted (${message})`, 'all');
  if (unreachableCodes.includes(code)) return failure('etcd_unavailable', message, 'all');
  const reason = error.rawMessage;
  switch (error.code) {
    case Code.DeadlineExceeded:
      return failure('etcd_timeout', 'no answer within the deadline', 'reads');
    case Code.Unavailable:
    case Code.Aborted:
    case Code.Canceled:
    case Code.Internal:
    case Code.Unknown:
      return failure('etcd_unavailable', reason, 'reads');
    case Code.OutOfRange:
      return failure(reason.includes('compacted') ? 'etcd_compacted' : 'etcd_refused', reason, 'none');
    default:
      return failure('etcd_refused', reason, 'none');
  }
}

/** One error for people from the failures of one call, the last of which decides the code. */
export function toHaleError(operation: string, failures: readonly EtcdFailure[]): HaleError {
  const last = failures.at(-1) as EtcdFailure;
  return new HaleError({
    code: last.code,
    kind: 'world',
    message: `etcd ${operation} failed: ${failures.map(({ endpoint, reason }) => `${endpoint}: ${reason}`).join('; ')}`,
    ...(failures.length === 1 ? { reason: last.reason } : {}),
    remedy: remedies[last.code],
    cause: last.cause,
  });
}

/** The end of the chain of causes, where Node says what the socket or TLS said. */
function lowestError(error: Error): { code: string; message: string } {
  let at: unknown = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  const code = at instanceof Error && 'code' in at && typeof at.code === 'string' ? at.code : '';
  return { code, message: (at as Error).message };
}

function isClientCertificateAlert(code: string): boolean {
  return /^ERR_SSL_.*ALERT/.test(code);
}

/** `bad certificate` out of OpenSSL's line with its source file in it. */
function tlsAlert(message: string): string {
  return /tls alert ([a-z ]+)/.exec(message)?.[1] ?? message;
}
