import type { ElectionRecord } from '../election/record.ts';
import { isMapping, type Mapping } from './json.ts';

/** Path of Leases in the API (kubernetes.io, "Lease v1 coordination.k8s.io"). */
export function leasesPath(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
}

/** A Lease as the API answered it, with whatever hale knows nothing of. */
export interface LeaseObject {
  metadata: Mapping & { resourceVersion: string };
  spec: Mapping;
}

/** Undefined when an answer is no Lease. */
export function readLeaseObject(body: unknown): LeaseObject | undefined {
  if (!isMapping(body) || body['kind'] !== 'Lease' || !isMapping(body['metadata'])) return undefined;
  const { metadata, spec } = body as { metadata: Mapping; spec?: unknown };
  if (typeof metadata['resourceVersion'] !== 'string') return undefined;
  return { ...body, metadata: metadata as LeaseObject['metadata'], spec: isMapping(spec) ? spec : {} };
}

/** What is absent is as client-go reads it (tools/leaderelection/resourcelock/leaselock.go): no holder, zero, no time. */
export function toElectionRecord({ spec }: Pick<LeaseObject, 'spec'>): ElectionRecord {
  const text = (key: string): string => (typeof spec[key] === 'string' ? spec[key] : '');
  const number = (key: string): number => (typeof spec[key] === 'number' ? spec[key] : 0);
  return {
    holderIdentity: text('holderIdentity'),
    leaseDurationSeconds: number('leaseDurationSeconds'),
    acquireTime: text('acquireTime'),
    renewTime: text('renewTime'),
    leaseTransitions: number('leaseTransitions'),
  };
}

export function toLeaseSpec(record: ElectionRecord): Mapping {
  return { ...record, acquireTime: microTime(record.acquireTime), renewTime: microTime(record.renewTime) };
}

/** The API takes exactly six digits after the second (apimachinery, pkg/apis/meta/v1/micro_time.go), and null for no time. */
function microTime(text: string): string | null {
  if (text === '') return null;
  return text.replace(/(?:\.(\d*))?(Z|[+-]\d\d:\d\d)$/, (_, digits: string | undefined, zone: string) => {
    return `.${(digits ?? '').padEnd(6, '0').slice(0, 6)}${zone}`;
  });
}
