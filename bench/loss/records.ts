/** What clients saw of a fault, and what that means. Pure. All times are milliseconds of CLOCK_BOOTTIME. */

import { agentLines } from '../agent-log.ts';

/** A long-lived connection. */
export interface ClientRecord {
  /** An active one asks all the time; an idle one sends nothing after its first answer. */
  kind: 'active' | 'idle';
  /** The API server that it is connected to. */
  server: string;
  /** When it was reset or closed by the other side; absent while it was not. */
  endedMs?: number;
  /** Whether it was answered when it was asked at last, long after the fault. */
  kept: boolean;
}

/** A new connection. */
export interface ConnectRecord {
  startMs: number;
  endMs: number;
  ok: boolean;
}

export interface CrashOutcome {
  /** Clients of backends that live, and how many of them still have their connection. */
  survivors: number;
  kept: number;
  /** Clients that lost their connection and were told. */
  reset: number;
  /** Clients that lost it and were not told before they were made to ask at the end. */
  hungActive: number;
  hungIdle: number;
  /** For each that was told: how long after `sinceMs`. */
  activeMs: number[];
  idleMs: number[];
}

export function crashOutcome(clients: readonly ClientRecord[], options: { dead: string; sinceMs: number }): CrashOutcome {
  const { dead, sinceMs } = options;
  const survivors = clients.filter((client) => client.server !== dead);
  const told = clients.filter((client) => client.endedMs !== undefined);
  const toldMs = (kind: ClientRecord['kind']): number[] =>
    told.filter((client) => client.kind === kind).map((client) => (client.endedMs as number) - sinceMs);
  const hung = (kind: ClientRecord['kind']): number =>
    clients.filter((client) => client.kind === kind && !client.kept && client.endedMs === undefined).length;
  return {
    survivors: survivors.length,
    kept: survivors.filter((client) => client.kept).length,
    reset: told.length,
    hungActive: hung('active'),
    hungIdle: hung('idle'),
    activeMs: toldMs('active'),
    idleMs: toldMs('idle'),
  };
}

export interface KillOutcome {
  /** From the fault to the start of the first connection after which none fails; 0 when none failed, null when the last one did. */
  elsewhereMs: number | null;
  /** From the fault on, those that were under way then included. */
  failed: number;
  /** Before the fault: then the rig was overloaded, and the run says nothing. */
  failedBefore: number;
  /** Longest time from the fault on between the starts of two connections: a number below it is the rig's. */
  gapMs: number;
}

export function killOutcome(connects: readonly ConnectRecord[], faultMs: number): KillOutcome {
  const inOrder = connects.toSorted((a, b) => a.startMs - b.startMs);
  const after = inOrder.filter(({ startMs }) => startMs >= faultMs);
  const starts = [faultMs, ...after.map(({ startMs }) => startMs)];
  const failed = connects.filter(({ ok }) => !ok);
  const failedBefore = failed.filter(({ endMs }) => endMs < faultMs).length;
  return {
    elsewhereMs: elsewhereAfter(after, faultMs),
    failed: failed.length - failedBefore,
    failedBefore,
    gapMs: Math.max(0, ...starts.slice(1).map((startMs, i) => startMs - (starts[i] as number))),
  };
}

function elsewhereAfter(after: readonly ConnectRecord[], faultMs: number): number | null {
  const lastFailed = after.findLastIndex(({ ok }) => !ok);
  const next = after[lastFailed + 1];
  if (next === undefined) return null;
  return lastFailed === -1 ? 0 : next.startMs - faultMs;
}

/** When an agent took a backend out, by its own log: the first line `backend changed` after the fault that says `dead`. */
export function decisionMs(log: string, options: { backend: string; faultMs: number; offsetMs: number }): number | undefined {
  const { backend, faultMs, offsetMs } = options;
  return agentLines(log, { offsetMs })
    .filter(({ msg, fields }) => msg === 'backend changed' && fields['backend'] === backend && fields['state'] === 'dead')
    .map(({ atMs }) => atMs)
    .find((atMs) => atMs >= faultMs);
}
