import { decodeAsciiJson, encodeAsciiJson } from '../../base/ascii-json.ts';
import { printable } from '../../base/printable.ts';

/** Who works on a cluster of etcd, as the lock over such work says it. */
export interface OperationOwner {
  host: string;
  pid: number;
  /** Wall-clock time of that host (RFC 3339). For people; nobody decides by it. */
  since: string;
}

export interface OperationRecord extends OperationOwner {
  /** What is done, as `hale etcd WHAT`. */
  what: string;
}

export function encodeOperation({ what, host, pid, since }: OperationRecord): Uint8Array {
  return encodeAsciiJson({ what, host, pid, since });
}

/** Undefined when it is something else. */
export function decodeOperation(bytes: Uint8Array): OperationRecord | undefined {
  const value = decodeAsciiJson(bytes);
  return isRecord(value) ? value : undefined;
}

function isRecord(value: unknown): value is OperationRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return ['what', 'host', 'since'].every((key) => typeof fields[key] === 'string') && Number.isSafeInteger(fields.pid);
}

export function operationText({ what, host, pid, since }: OperationRecord): string {
  return printable(`hale etcd ${what}, process ${pid} on ${host}, since ${since}`);
}
