import { HaleError } from '../../base/error.ts';

/** A refusal as Kubernetes words it (`kind: Status`), with its HTTP status code. */
export class StatusError extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.name = 'StatusError';
    this.code = code;
    this.reason = reason;
  }

  toJSON(): object {
    const { code, reason, message } = this;
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
  }
}

/** What a client is told when etcd failed; undefined for an error that is neither etcd's nor a refusal: a bug. */
export function toStatusError(error: unknown): StatusError | undefined {
  if (error instanceof StatusError) return error;
  if (!(error instanceof HaleError)) return undefined;
  if (error.code === 'etcd_compacted') return new StatusError(410, 'Expired', error.message);
  if (error.code === 'etcd_timeout') return new StatusError(504, 'Timeout', error.message);
  return new StatusError(503, 'ServiceUnavailable', error.message);
}
