import { HaleError } from '../../base/error.ts';
import { type LeaseObject, leasesPath, readLeaseObject, toElectionRecord, toLeaseSpec } from '../../core/apiserver/lease.ts';
import { refusalText } from '../../core/apiserver/refusal.ts';
import type { ElectionRecord } from '../../core/election/record.ts';
import type { Kubernetes, KubernetesAnswer } from '../../ports/kubernetes.ts';
import type { Lock, LockRead, LockWrite } from '../../ports/lock.ts';

export interface LeaseLockOptions {
  /** The lock's own: `close` closes it. */
  kubernetes: Kubernetes;
  namespace: string;
  name: string;
  /** Of one call. client-go: half of the renew deadline, at least a second, so that one call that hangs does not cost the record. */
  timeoutMs: number;
  /** Told of every Lease that was read or written, for what it says besides. */
  onLease?: (lease: LeaseObject) => void;
}

/**
 * A Lease that this program and any client-go program can take turns with: the same fields, and the API server refuses a write that is not
 * based on what is there (client-go, tools/leaderelection/resourcelock/leaselock.go). What else the Lease says, labels included, stays.
 */
export function createLeaseLock(options: LeaseLockOptions): Lock {
  return new LeaseLock(options);
}

class LeaseLock implements Lock {
  readonly name: string;
  readonly #options: LeaseLockOptions;
  /** As last read or written. */
  #last: LeaseObject | undefined;

  constructor(options: LeaseLockOptions) {
    this.#options = options;
    this.name = `Lease ${options.namespace}/${options.name}`;
  }

  async read(): Promise<LockRead> {
    const answer = await this.#ask('GET', this.#path);
    if ('failed' in answer) return { kind: 'failed', reason: answer.failed };
    if (answer.status === 404) return { kind: 'absent' };
    const lease = this.#remember(answer);
    if (lease === undefined) return { kind: 'failed', reason: refusalText(answer) };
    return { kind: 'found', record: toElectionRecord(lease), version: lease.metadata.resourceVersion };
  }

  async write(record: ElectionRecord, version: string | undefined): Promise<LockWrite> {
    // Read anew since: whoever wants to replace the older version comes too late.
    if (version !== undefined && version !== this.#last?.metadata.resourceVersion) return { kind: 'conflict' };
    const answer = version === undefined ? await this.#create(record) : await this.#replace(record, this.#last as LeaseObject);
    if ('failed' in answer) return { kind: 'failed', reason: answer.failed };
    // 409: AlreadyExists, or Conflict. 404 for a replacement: somebody has removed it.
    if (answer.status === 409 || (answer.status === 404 && version !== undefined)) return { kind: 'conflict' };
    const lease = this.#remember(answer);
    if (lease === undefined) return { kind: 'failed', reason: refusalText(answer) };
    return { kind: 'written', version: lease.metadata.resourceVersion };
  }

  close(): void {
    this.#options.kubernetes.close();
  }

  get #path(): string {
    const { namespace, name } = this.#options;
    return `${leasesPath(namespace)}/${encodeURIComponent(name)}`;
  }

  #create(record: ElectionRecord) {
    const { namespace, name } = this.#options;
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec: toLeaseSpec(record) };
    return this.#ask('POST', leasesPath(namespace), lease);
  }

  #replace(record: ElectionRecord, last: LeaseObject) {
    return this.#ask('PUT', this.#path, { ...last, spec: { ...last.spec, ...toLeaseSpec(record) } });
  }

  #remember({ status, body }: KubernetesAnswer): LeaseObject | undefined {
    const lease = status === 200 || status === 201 ? readLeaseObject(body) : undefined;
    if (lease === undefined) return undefined;
    this.#last = lease;
    this.#options.onLease?.(lease);
    return lease;
  }

  async #ask(...[method, path, body]: ['GET' | 'POST' | 'PUT', string, object?]): Promise<KubernetesAnswer | { failed: string }> {
    const { kubernetes, timeoutMs } = this.#options;
    try {
      return await kubernetes.request(method, path, { timeoutMs, ...(body === undefined ? {} : { body }) });
    } catch (error) {
      if (error instanceof HaleError) return { failed: error.message };
      throw error;
    }
  }
}
