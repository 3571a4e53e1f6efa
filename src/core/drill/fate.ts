import type { HealthTiming } from '../balancer/health.ts';
import type { ConnectionRecord, DrillRecord } from './record.ts';
import type { FaultKind } from './scenario.ts';

/** A connection that waits longer than this for an answer hangs: the client could not tell that its server was gone. */
export const HUNG_AFTER_MS = 5000;
/** For the telling itself. */
const TELL_MS = 500;

/** What an error says when the other side closed the connection in order. */
export const CLOSED = 'closed by the server';

export type ConnectionFate = 'kept' | 'reset' | 'hung';

/** Where an API server hangs, its clients are told when it was silent for `hungMs`, after the probe that is under way then (core/balancer/health.ts). */
export function hungAfterMs(fault: FaultKind, { hungMs, patienceMs }: HealthTiming): number {
  return fault === 'apiserver-hang' ? Math.max(HUNG_AFTER_MS, hungMs + patienceMs + TELL_MS) : HUNG_AFTER_MS;
}

export interface FateContext {
  faultMs: number;
  hungAfterMs: number;
  /** When clients that were connected before the fault heard of this connection's API server, in any order. */
  signsMs: readonly number[];
}

/**
 * Kept: answered after the fault on the same connection. Reset: closed or reset by the other side, so the client knew. Hung: neither,
 * for more than `hungAfterMs` or until the end. Undefined: lost before the fault, so the fault is not to blame.
 *
 * An idle connection waits for nothing, so nothing shows how long it has been dead: it counts as hung when it was told later than
 * `hungAfterMs` after the fault, or only found out by asking at the end. An API server that ends in order serves on for a while, and then closes
 * what is idle: there the time counts from the last that it answered others, over connections as old.
 */
export function fateOf(connection: ConnectionRecord, { faultMs, hungAfterMs: limitMs, signsMs }: FateContext): ConnectionFate | undefined {
  const { resetMs, waitingSinceMs } = connection;
  if (resetMs !== undefined && resetMs < faultMs) return undefined;
  if (connection.idle && resetMs !== undefined) {
    const signs = connection.error === CLOSED ? signsMs.filter((signMs) => signMs <= resetMs) : [];
    const aliveMs = Math.max(faultMs, ...signs);
    return waitingSinceMs === undefined && resetMs - aliveMs <= limitMs ? 'reset' : 'hung';
  }
  if (connection.longestWaitMs > limitMs) return 'hung';
  if (resetMs !== undefined) return waitingSinceMs !== undefined && resetMs - waitingSinceMs > limitMs ? 'hung' : 'reset';
  return waitingSinceMs === undefined && connection.lastAnswerMs > faultMs ? 'kept' : 'hung';
}

/**
 * When each API server was heard by clients that were connected to it before the fault, as far as it is on record: the last answer on each long-lived connection, a refusal
 * (status 429 and the like), and what came last on each watch that was lost. A server that was started anew answers on none of these.
 */
export function signsOfLife({ connections, fleet }: DrillRecord, faultMs: number): ReadonlyMap<string | undefined, readonly number[]> {
  const signs = new Map<string | undefined, number[]>();
  const note = (server: string | undefined, timeMs: number): void => void signs.set(server, [...(signs.get(server) ?? []), timeMs]);
  for (const { server, lastAnswerMs, resetMs, error } of connections) {
    if (server === undefined) continue;
    note(server, lastAnswerMs);
    if (resetMs !== undefined && error?.startsWith('status ')) note(server, resetMs);
  }
  for (const { gaps } of fleet?.watchers ?? []) {
    const first = gaps.find(({ lostMs }) => lostMs >= faultMs);
    if (first?.server !== undefined) note(first.server, first.heardMs);
  }
  return signs;
}
