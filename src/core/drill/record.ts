import type { DatapathName } from '../balancer/choice.ts';
import type { FleetRecord } from './fleet.ts';

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

/** One long-lived connection, never reopened. It asks again about every second, or it is idle. */
export interface ConnectionRecord {
  openedMs: number;
  /** The API server on which it lives, as far as it says so. */
  server?: string;
  /** Like a watch that waits: says nothing between its first answer and one question at the very end, so only others can tell it that its server is gone. */
  idle?: true;
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

/** An answer for the address, given at some moment from when the round was asked until `heardMs`. What it proves of whom: proof.ts. */
export interface Answer {
  /** Index into the rounds of the watch. */
  round: number;
  /** Name of the host that answered, or the MAC address when it belongs to no known host. */
  host: string;
  /** Name of the host that was knocked at, for `tcp`; the questions of `arp` and `ndp` go to all. */
  asked?: string;
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

/** What was done to what, as far as the numbers depend on it. */
export interface DrillCourse {
  datapath: DatapathName;
  /** Names of the hosts on which the fault struck something; their API servers' connections may be lost. */
  struck: readonly string[];
  /** By whom the address was handed over in order, for whatever reason, in the order of time. */
  handOvers: readonly HandOver[];
  /** A connection whose client learns later than this that it is lost hangs; HUNG_AFTER_MS when absent (fate.ts). */
  hungAfterMs?: number;
}

/** A holder let its successor have the address, and passes on for a grace time what still reaches it. */
export interface HandOver {
  host: string;
  /** When its agent said so, just after its kernel had stopped answering. */
  atMs: number;
}

export interface DrillRecord {
  course: DrillCourse;
  requests: RequestRecord[];
  connections: ConnectionRecord[];
  watch: WatchRecord;
  marks: Mark[];
  /** How late the probe itself sent a request, at worst: larger gaps are the rig's, not the address's. */
  probeLagMs: number;
  /** Clients of a real API server; absent where stand-ins serve. */
  fleet?: FleetRecord;
}

/** What the instruments saw, without what was done. */
export type Observations = Omit<DrillRecord, 'course' | 'marks'>;

/** The time of the first mark of a kind. */
export function markTime(record: Pick<DrillRecord, 'marks'>, kind: Mark['kind']): number | undefined {
  return record.marks.find((mark) => mark.kind === kind)?.timeMs;
}
