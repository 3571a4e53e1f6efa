/**
 * What a drill observed from the client's side, before any judgement. All times are milliseconds of the measuring machine's
 * CLOCK_BOOTTIME, so requests, answers and marks of different processes on that machine share one axis.
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

export type AnswerHow = 'arp' | 'ndp' | 'tcp';

/** An answer for the address that proves: the host answered for it at some moment from when the round was asked until `heardMs`. */
export interface Answer {
  /** Index into the rounds of the watch. */
  round: number;
  /** Name of the host, or the MAC address when it belongs to no known host. */
  host: string;
  how: AnswerHow;
  /** Not before the answer arrived. */
  heardMs: number;
}

/** All hosts were asked in rounds: who has the address (ARP, NDP), and each one whether it accepts TCP for it. */
export interface WatchRecord {
  /** Just before the questions of each round were sent, ascending. */
  askedMs: number[];
  /** In the order in which they were heard. */
  answers: Answer[];
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
  watch: WatchRecord;
  marks: Mark[];
  /** How late the probe itself sent a request, at worst: larger gaps are the rig's, not the address's. */
  probeLagMs: number;
}

/** The time of the first mark of a kind. */
export function markTime(record: Pick<DrillRecord, 'marks'>, kind: Mark['kind']): number | undefined {
  return record.marks.find((mark) => mark.kind === kind)?.timeMs;
}
