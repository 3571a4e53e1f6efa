import { decodeAsciiJson, encodeAsciiJson } from '../../../base/ascii-json.ts';
import { printable } from '../../../base/printable.ts';

/**
 * The newest snapshot that went where the cluster description says, as every host can read it in etcd itself: whether one is due, and whether the newest is too old,
 * must not depend on whose folder one looks into. It is lost with etcd, and then a snapshot is due.
 */
export interface SnapshotRecord {
  /** RFC 3339, by the clock of `host`. */
  takenAt: string;
  revision: number;
  /** Host that took it. */
  host: string;
  /** Path, or s3://BUCKET/KEY. */
  place: string;
}

export const SNAPSHOT_RECORD_KEY = '/hale/etcd/snapshot';

export function encodeSnapshotRecord({ takenAt, revision, host, place }: SnapshotRecord): Uint8Array {
  return encodeAsciiJson({ takenAt, revision, host, place });
}

/** Undefined when it is something else. */
export function decodeSnapshotRecord(bytes: Uint8Array): SnapshotRecord | undefined {
  const value = decodeAsciiJson(bytes);
  return isRecord(value) ? value : undefined;
}

function isRecord(value: unknown): value is SnapshotRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { takenAt, revision, host, place } = value as Record<string, unknown>;
  return (
    [takenAt, host, place].every((field) => typeof field === 'string') && Number.isSafeInteger(revision) && !Number.isNaN(timeOf(takenAt))
  );
}

function timeOf(takenAt: unknown): number {
  return Date.parse(String(takenAt));
}

const MINUTE_MS = 60_000;

/** When the next one is due (Unix time); now, when there is none, or the newest is from a future that clocks do not explain. */
export function snapshotDueAtMs(
  record: SnapshotRecord | undefined,
  { nowMs, everyMinutes }: { nowMs: number; everyMinutes: number },
): number {
  if (record === undefined) return nowMs;
  const takenAtMs = timeOf(record.takenAt);
  if (takenAtMs > nowMs + everyMinutes * MINUTE_MS) return nowMs;
  return takenAtMs + everyMinutes * MINUTE_MS;
}

/** Three missed in a row are no accident. */
const MISSED = 3;

/** `etcd.snapshots` of the cluster description. */
export interface SnapshotSchedule {
  everyMinutes?: number;
  alertAfterMinutes?: number;
}

export interface SnapshotProblem {
  /** In a sentence. */
  says: string;
  wayOut: string;
}

/** What is wrong with the newest snapshot; undefined when nothing is, or nothing was asked for. */
export function snapshotProblem(
  record: SnapshotRecord | undefined,
  { nowMs, ...schedule }: SnapshotSchedule & { nowMs: number },
): SnapshotProblem | undefined {
  const limitMinutes = snapshotLimitMinutes(schedule);
  if (limitMinutes === undefined) return undefined;
  const wayOut = 'see the log of the agent that holds the address, and take one with `hale etcd snapshot save`';
  if (record === undefined) return { says: 'etcd has no snapshot that hale knows of', wayOut };
  const ageMinutes = snapshotAgeMinutes(record, nowMs);
  if (ageMinutes <= limitMinutes) return undefined;
  const what = printable(`${record.place}, taken on ${record.host}`);
  return { says: `the newest snapshot of etcd is ${ageMinutes} minutes old, more than ${limitMinutes} (${what})`, wayOut };
}

/** How old the newest may be; undefined when the description does not say. */
export function snapshotLimitMinutes({ everyMinutes, alertAfterMinutes }: SnapshotSchedule): number | undefined {
  return alertAfterMinutes ?? (everyMinutes === undefined ? undefined : MISSED * everyMinutes);
}

export function snapshotAgeMinutes({ takenAt }: SnapshotRecord, nowMs: number): number {
  return Math.floor((nowMs - timeOf(takenAt)) / MINUTE_MS);
}
