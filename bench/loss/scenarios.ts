/** One fault in a lab at rest, seen by clients of its address: the same for hale and for its peers. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { APISERVER_CA } from '../../src/lab/credentials.ts';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { startInstrument } from '../../src/lab/probe/process.ts';
import { tenths } from '../machine.ts';
import { benchFile } from '../program.ts';
import type { ClientsOptions } from './clients.ts';
import type { ConnectsOptions } from './connects.ts';
import {
  type ClientRecord,
  type ConnectRecord,
  type CrashOutcome,
  crashOutcome,
  decisionMs,
  type KillOutcome,
  killOutcome,
} from './records.ts';

/** Before the fault: enough for processes that have just started to come to rest, and for connections to show that they work. */
const REST_MS = 1500;
export const CLIENTS_EACH = 100;
export const ASK_EVERY_MS = 100;
/** Long enough for HAProxy's checks: three failures, one every 2 s. */
export const OBSERVE_MS = 8000;
export const CONNECT_EVERY_MS = 1;
export const CONNECT_TIMEOUT_MS = 1000;
/** The lab is taken down long before. */
const UNDO_AFTER_MS = 120_000;

export interface Crash extends CrashOutcome {
  /** From the fault; null when there is no agent that decides. The times of `activeMs` and `idleMs` count from here, else from the fault. */
  decidedMs: number | null;
}

export interface Kill extends KillOutcome {
  victim: 'own' | 'other';
}

export interface Context {
  holder: LabHost;
  signal: AbortSignal;
}

export async function crashHolder(lab: Lab, { holder, signal }: Context): Promise<Crash> {
  const { addresses, port, dnsName } = lab.plan.endpoint;
  const options: ClientsOptions = {
    address: addresses[0] as string,
    port,
    serverName: dnsName,
    caFile: `/${APISERVER_CA}`,
    count: CLIENTS_EACH,
    askEveryMs: ASK_EVERY_MS,
    outFile: outFile(lab),
  };
  const read = (text: string): ClientRecord[] => JSON.parse(text) as ClientRecord[];
  const clients = await startInstrument(lab.client.command([]), { file: benchFile('loss/clients'), options, read });
  try {
    await sleep(REST_MS, undefined, { signal });
    const { record } = await lab.inject('crash', holder.name, { undoAfterMs: UNDO_AFTER_MS });
    await sleep(OBSERVE_MS, undefined, { signal });
    const faultMs = record.injectedAtMs;
    const decided = decision(lab, { dead: holder, faultMs });
    const outcome = crashOutcome(await clients.stop(), { dead: holder.name, sinceMs: decided ?? faultMs });
    return { ...outcome, decidedMs: decided === undefined ? null : tenths(decided - faultMs) };
  } finally {
    await clients.abandon();
  }
}

/** The first of the survivors': each of them may be the next holder, and tells the others nothing of it. */
function decision(lab: Lab, { dead, faultMs }: { dead: LabHost; faultMs: number }): number | undefined {
  const offsetMs = Date.now() - lab.now();
  const decided = lab.controlPlane
    .filter((host) => host !== dead && host.running('agent'))
    .map((host) => decisionMs(readFileSync(join(host.folder, 'log/agent.log'), 'utf8'), { backend: dead.name, faultMs, offsetMs }))
    .filter((timeMs) => timeMs !== undefined);
  return decided.length === 0 ? undefined : Math.min(...decided);
}

export async function killApiserver(lab: Lab, { holder, victim, signal }: Context & { victim: Kill['victim'] }): Promise<Kill> {
  const host = victim === 'own' ? holder : (lab.controlPlane.find((other) => other !== holder) as LabHost);
  const options: ConnectsOptions = {
    address: lab.plan.endpoint.addresses[0] as string,
    port: lab.plan.endpoint.port,
    everyMs: CONNECT_EVERY_MS,
    timeoutMs: CONNECT_TIMEOUT_MS,
    outFile: outFile(lab),
  };
  const read = (text: string): ConnectRecord[] => JSON.parse(text) as ConnectRecord[];
  const loop = await startInstrument(lab.client.command([]), { file: benchFile('loss/connects'), options, read });
  try {
    await sleep(REST_MS, undefined, { signal });
    const { record } = await lab.inject('apiserver-kill', host.name, { undoAfterMs: UNDO_AFTER_MS });
    await sleep(OBSERVE_MS, undefined, { signal });
    return { victim, ...killOutcome(await loop.stop(), record.injectedAtMs) };
  } finally {
    await loop.abandon();
  }
}

function outFile(lab: Lab): string {
  const folder = join(lab.folder, 'drills');
  mkdirSync(folder, { recursive: true });
  return join(folder, 'clients.json');
}
