/** The holder of the address loses its power, seen by every kind of client: the same for hale and for its peers. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { measure, type Measurement } from '../../src/core/drill/measure.ts';
import { outageOf } from '../../src/core/drill/outage.ts';
import type { DrillCourse, RequestRecord } from '../../src/core/drill/record.ts';
import { APISERVER_CA } from '../../src/lab/credentials.ts';
import { startInstruments } from '../../src/lab/drill/instruments.ts';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { type Instrument, startInstrument } from '../../src/lab/probe/process.ts';
import { benchFile } from '../program.ts';
import type { KeptGetsOptions } from './kept-gets.ts';

/** A new connection for each: what a real API server can take from one client beside all others. */
export const REQUEST_EVERY_MS = 20;
export const KEPT_CLIENTS = 10;
export const KEPT_EVERY_MS = 100;
/** The fault comes at a random moment of this span, as long as the longest period of any subject: kube-vip's renewal. */
const PHASE_MS = 2000;
const WARM_UP_MS = 2000;
/** Longer than the slowest subject needs, and the same for all: a Lease of 15 s, seen at the next look after its end, at most 4.4 s later. */
export const OBSERVE_MS = 25_000;
/** A silent connection is noticed after 45 s; then it takes a moment to open another. */
export const SETTLE_MS = 60_000;
/** The lab is taken down long before. */
const UNDO_AFTER_MS = 300_000;

export interface Crash {
  measurement: Measurement;
  /** Of each client with a kept connection, in milliseconds. */
  keptOutagesMs: number[];
  keptFailedBefore: number;
}

/** Of `datapath` the measurement only needs to know whether the host that is asked for the address may pass the question on. */
export async function crashHolder(
  lab: Lab,
  { holder, datapath, signal }: { holder: LabHost; datapath: DrillCourse['datapath']; signal: AbortSignal },
): Promise<Crash> {
  const instruments = await startInstruments(lab, { connections: 0, intervalMs: REQUEST_EVERY_MS, fleet: true });
  let kept: Instrument<RequestRecord[][]> | undefined;
  try {
    kept = await startKeptGets(lab);
    await sleep(WARM_UP_MS + Math.random() * PHASE_MS, undefined, { signal });
    const { record } = await lab.inject('crash', holder.name, { undoAfterMs: UNDO_AFTER_MS });
    await sleep(OBSERVE_MS, undefined, { signal });
    const [seen, clients] = await Promise.all([instruments.stop(), kept.stop()]);
    const marks = [{ timeMs: record.injectedAtMs, label: `crash ${holder.name}`, kind: 'fault' as const }];
    const measurement = measure({ ...seen, course: { datapath, struck: record.struck, handOvers: [] }, marks });
    return { measurement, ...keptOutcome(clients, record.injectedAtMs) };
  } finally {
    await Promise.all([instruments.abandon(), kept?.abandon()]);
  }
}

/** The records of each client, in their order -> how long it was without an answer, and how many requests failed before the fault. */
export function keptOutcome(
  clients: readonly (readonly RequestRecord[])[],
  faultMs: number,
): Pick<Crash, 'keptOutagesMs' | 'keptFailedBefore'> {
  return {
    keptOutagesMs: clients.map((records) => keptOutageMs(records, faultMs)),
    keptFailedBefore: clients.flat().filter(({ ok, endMs }) => !ok && endMs < faultMs).length,
  };
}

/** A request that hung to the end began long before: the outage lasted as long as it was seen. */
function keptOutageMs(records: readonly RequestRecord[], faultMs: number): number {
  const last = records.at(-1);
  const seen = last === undefined || last.ok ? records : [...records, { ...last, startMs: last.endMs }];
  return outageOf(seen, faultMs).outageMs;
}

function startKeptGets(lab: Lab): Promise<Instrument<RequestRecord[][]>> {
  const folder = join(lab.folder, 'drills');
  mkdirSync(folder, { recursive: true });
  const { addresses, port, dnsName } = lab.plan.endpoint;
  const options: KeptGetsOptions = {
    address: addresses[0] as string,
    port,
    serverName: dnsName,
    caFile: `/${APISERVER_CA}`,
    certFile: '/etc/kubernetes/pki/admin.crt',
    keyFile: '/etc/kubernetes/pki/admin.key',
    clients: KEPT_CLIENTS,
    everyMs: KEPT_EVERY_MS,
    settleMs: SETTLE_MS,
    outFile: join(folder, 'kept-gets.json'),
  };
  const read = (text: string): RequestRecord[][] => JSON.parse(text) as RequestRecord[][];
  return startInstrument(lab.client.command([]), { file: benchFile('kubernetes/kept-gets'), options, read });
}
