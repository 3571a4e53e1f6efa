/**
 * What a drill observed from the client's side, before any judgement. All times are milliseconds of the measuring machine's
 * CLOCK_BOOTTIME, so requests, sightings and marks of different processes on that machine share one axis.
 */

/** One request over a connection of its own. */
export interface RequestRecord {
  startMs: number;
  /** When the whole answer was read, or when the client gave up. */
  endMs: number;
  ok: boolean;
  /** The API server that answered, as far as it says so. */
  server?: string;
  error?: string;
}

/** One long-lived connection that asks again about every second and is never reopened. */
export interface ConnectionRecord {
  openedMs: number;
  server?: string;
  lastAnswerMs: number;
  /** The longest wait for an answer that did arrive. */
  longestWaitMs: number;
  /** Since when the last request waits for its answer; absent when every request was answered. */
  waitingSinceMs?: number;
  /** When the connection was closed or reset by the other side. */
  resetMs?: number;
  error?: string;
}

/** How a host gave itself away as an owner of the address. */
export type SightingHow = 'arp' | 'ndp' | 'tcp';

export interface Sighting {
  timeMs: number;
  /** Name of the host, or the MAC address when it belongs to no known host. */
  host: string;
  how: SightingHow;
}

/** A moment worth a line in the plot. `fault` and `undo` carry meaning, the others only a label. */
export interface Mark {
  timeMs: number;
  label: string;
  kind: 'fault' | 'undo' | 'note';
}

export interface DrillRecord {
  requests: RequestRecord[];
  connections: ConnectionRecord[];
  sightings: Sighting[];
  marks: Mark[];
  /** How late the probe itself sent a request, at worst: larger gaps are the rig's, not the address's. */
  probeLagMs: number;
}

/** The time of the first mark of a kind. */
export function markTime(record: Pick<DrillRecord, 'marks'>, kind: Mark['kind']): number | undefined {
  return record.marks.find((mark) => mark.kind === kind)?.timeMs;
}
