/** The record that candidates compete for: the spec of a coordination.k8s.io/v1 Lease, as client-go's leader election writes it. */
export interface ElectionRecord {
  /** Empty when the last holder let go of it. */
  holderIdentity: string;
  leaseDurationSeconds: number;
  /** When its holder got it, and when it last renewed: wall-clock times of that holder (RFC 3339, microseconds). For people; nobody decides by them. */
  acquireTime: string;
  renewTime: string;
  /** How often it went from one holder to another. */
  leaseTransitions: number;
}

const TEXTS = ['holderIdentity', 'acquireTime', 'renewTime'];
const NUMBERS = ['leaseDurationSeconds', 'leaseTransitions'];

/** The record out of its JSON; undefined when that is something else. */
export function readElectionRecord(json: string): ElectionRecord | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is ElectionRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  const isCount = (field: unknown) => Number.isSafeInteger(field) && (field as number) >= 0;
  return TEXTS.every((key) => typeof fields[key] === 'string') && NUMBERS.every((key) => isCount(fields[key]));
}
