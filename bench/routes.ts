/** What clients see when one of three hosts that announce the address by BGP is drained or crashes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../src/base/assert.ts';
import { median } from '../src/base/stats.ts';
import { measure, type Measurement } from '../src/core/drill/measure.ts';
import type { ConnectionRecord } from '../src/core/drill/record.ts';
import { startInstruments } from '../src/lab/drill/instruments.ts';
import type { LabHost } from '../src/lab/host.ts';
import type { Lab } from '../src/lab/lab.ts';
import { datapathOf } from '../src/lab/plan.ts';
import { agentLines } from './agent-log.ts';
import { tenths } from './machine.ts';
import { type Attempt, inRounds, type RoundsOptions } from './rounds.ts';
import { recordPackets } from './routes/packets.ts';
import { type RoutesSubject, SUBJECTS } from './routes/subjects.ts';
import { PHASE_MS, WARM_UP_MS } from './strike.ts';

export const CONNECTIONS = 300;
/** The lab is taken down long before. */
const UNDO_AFTER_MS = 300_000;
/** Two clocks are compared, of which one counts whole milliseconds. */
const LOG_SPARE_MS = 5;

export interface Drain {
  /** All from the drain on, by the agent's log: when it asked routers to prefer others, and when it withdrew the route. */
  askedMs: number;
  withdrawnMs: number;
  /** The last packet for the address that came to the host from the router; null when none came after the drain. */
  lastPacketMs: number | null;
  packetsAfterAsked: number;
  packetsAfterWithdrawn: number;
}

export interface RoutesRun {
  failed: number;
  /** From the fault to the start of the last request that failed; 0 when none did. */
  failingForMs: number;
  outageMs: number;
  quietGapMs: number;
  probeLagMs: number;
  kept: number;
  reset: number;
  hung: number;
  /** Of those reset or hung, whose API server's host was not struck. */
  othersLost: number;
  /** Of a connection that was answered in the end. */
  longestWaitMs: number;
  drain: Drain | null;
}

export interface RoutesResult {
  runs: number;
  apiserver: string;
  subjects: { name: string; fault: RoutesSubject['fault']; runs: RoutesRun[]; discarded: number; quietGapMs: number }[];
}

export async function routes(options: RoundsOptions): Promise<RoutesResult> {
  const { signal } = options;
  const work = {
    subjects: SUBJECTS,
    attempt: (lab: Lab, { subject, host }: { subject: RoutesSubject; host: LabHost }) => attempt(lab, { subject, host, signal }),
    describe: ({ failed, failingForMs, kept, reset, hung, drain }: RoutesRun) =>
      `${failed} failed, the last after ${failingForMs} ms, ${kept} kept, ${reset} reset, ${hung} hung${drain === null ? '' : `, ${JSON.stringify(drain)}`}`,
  };
  const { apiserver, collected } = await inRounds(work, options);
  const subjects = collected.map(({ subject: { name, fault }, runs, discarded }) => {
    return { name, fault, runs, discarded, quietGapMs: tenths(median(runs.map((run) => run.quietGapMs))) };
  });
  return { runs: options.runs, apiserver, subjects };
}

async function attempt(
  lab: Lab,
  { subject, host, signal }: { subject: RoutesSubject; host: LabHost; signal: AbortSignal },
): Promise<Attempt<RoutesRun>> {
  const { fault, intervalMs, observeMs } = subject;
  const stopPackets = fault === 'drain' ? await recordPackets(lab, host) : undefined;
  const instruments = await startInstruments(lab, { connections: CONNECTIONS, intervalMs });
  try {
    await sleep(WARM_UP_MS + Math.random() * PHASE_MS, undefined, { signal });
    const { record } = await lab.inject(fault, host.name, { undoAfterMs: UNDO_AFTER_MS });
    await sleep(record.injectedAtMs + observeMs - lab.now(), undefined, { signal });
    const seen = await instruments.stop();
    const drain = stopPackets && judgeDrain(lab, { host, faultMs: record.injectedAtMs, packetsMs: await stopPackets() });
    const marks = [{ timeMs: record.injectedAtMs, label: `${fault} ${host.name}`, kind: 'fault' as const }];
    // A host that is drained goes on serving, and each announces the address: nobody hands it over.
    const course = { datapath: datapathOf(lab.plan), struck: fault === 'drain' ? [] : record.struck, handOvers: [] };
    const measurement = measure({ ...seen, course, marks });
    const { failedBeforeFault } = measurement.requests;
    return {
      run: { ...runOf(measurement, seen.connections), drain: drain ?? null },
      unsteady: failedBeforeFault === 0 ? undefined : `${failedBeforeFault} requests failed`,
    };
  } finally {
    await instruments.abandon();
  }
}

function runOf(measurement: Measurement, all: readonly ConnectionRecord[]): Omit<RoutesRun, 'drain'> {
  const { requests, failingForMs, outage, quiet, probeLagMs, connections } = measurement;
  const { kept, reset, hung, survivorsLost } = connections;
  const answered = all.filter(({ resetMs, waitingSinceMs }) => resetMs === undefined && waitingSinceMs === undefined);
  return {
    failed: requests.failed,
    failingForMs: tenths(failingForMs),
    outageMs: tenths(outage.outageMs),
    quietGapMs: tenths(quiet.gapMs),
    probeLagMs: tenths(probeLagMs),
    kept,
    reset,
    hung,
    othersLost: survivorsLost ?? Number.NaN,
    longestWaitMs: tenths(Math.max(0, ...answered.map(({ longestWaitMs }) => longestWaitMs))),
  };
}

function judgeDrain(lab: Lab, { host, faultMs, packetsMs }: { host: LabHost; faultMs: number; packetsMs: readonly number[] }): Drain {
  const lines = agentLines(readFileSync(join(host.folder, 'log/agent.log'), 'utf8'), { offsetMs: Date.now() - lab.now() });
  const saidMs = (msg: string): number => {
    const atMs = lines.find((line) => line.msg === msg && line.atMs >= faultMs - LOG_SPARE_MS)?.atMs;
    assert(atMs !== undefined, `the agent of ${host.name}, which was drained, wrote down: ${msg}`);
    return atMs;
  };
  const askedMs = saidMs('routers are asked to prefer others');
  const withdrawnMs = saidMs('routes withdrawn');
  const after = packetsMs.filter((timeMs) => timeMs >= faultMs);
  const since = (timeMs: number) => tenths(timeMs - faultMs);
  return {
    askedMs: since(askedMs),
    withdrawnMs: since(withdrawnMs),
    lastPacketMs: after.length === 0 ? null : since(after.at(-1) as number),
    packetsAfterAsked: after.filter((timeMs) => timeMs > askedMs).length,
    packetsAfterWithdrawn: after.filter((timeMs) => timeMs > withdrawnMs).length,
  };
}
