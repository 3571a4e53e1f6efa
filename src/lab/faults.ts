import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HaleError } from '../base/error.ts';
import { callControl } from '../drivers/control/client.ts';
import { boottime } from '../drivers/linux/boottime.ts';
import { labsFolder, readJson, writeJson } from './folder.ts';
import type { LabHost } from './host.ts';
import type { Lab } from './lab.ts';
import { endProcess, identify, type ProcessIdentity, type SignalName } from './process.ts';
import { AGENT_SOCKET, undoArgv } from './services.ts';

export const FAULTS = ['crash', 'freeze', 'freeze-agent', 'isolate', 'apiserver-kill', 'apiserver-hang', 'link-down', 'drain'] as const;
export type Fault = (typeof FAULTS)[number];

export interface FaultRecord {
  id: string;
  fault: Fault;
  host: string;
  /** Milliseconds of CLOCK_BOOTTIME, just before the fault was applied. */
  injectedAtMs: number;
  /** When the timer undoes it, if nobody did before (ISO 8601). */
  undoAt: string;
  timer: ProcessIdentity;
}

export interface InjectedFault {
  record: FaultRecord;
  /** Puts things right at once, and stops the timer. Harmless when the timer did it. */
  undo(): Promise<void>;
}

interface Effects {
  apply(lab: Lab, host: LabHost): Promise<void> | void;
  /** Idempotent: it may meet a fault that was never applied, or that a boot has undone already. */
  undo(lab: Lab, host: LabHost): Promise<void> | void;
}

const EFFECTS: Record<Fault, Effects> = {
  crash: { apply: (_lab, host) => host.powerOff(), undo: (_lab, host) => host.boot() },
  freeze: {
    apply: (_lab, host) => host.signalAll('STOP'),
    undo: (_lab, host) => {
      if (host.isOn()) host.signalAll('CONT');
    },
  },
  'freeze-agent': stopAndContinue('agent'),
  isolate: {
    apply: (lab, host) =>
      lab.lan.separate(
        host.name,
        lab.controlPlane.map((peer) => peer.name).filter((peer) => peer !== host.name),
      ),
    undo: (lab, host) => lab.lan.reunite(host.name),
  },
  'apiserver-kill': {
    apply: (_lab, host) => signalOrFail(host, { daemon: 'apiserver', signal: 'KILL' }),
    undo: async (_lab, host) => {
      if (host.isOn()) await host.restart('apiserver');
    },
  },
  'apiserver-hang': stopAndContinue('apiserver'),
  'link-down': {
    apply: (lab, host) => lab.lan.setPort(host.name, 'down'),
    undo: async (lab, host) => {
      if (host.isOn()) await lab.lan.setPort(host.name, 'up');
    },
  },
  // Not a fault but an order; here because a drill of it has to be undone all the same.
  drain: {
    apply: async (_lab, host) => void (await callControl(join(host.folder, AGENT_SOCKET), 'POST', '/drain')),
    undo: async (_lab, host) => {
      if (host.running('agent')) await callControl(join(host.folder, AGENT_SOCKET), 'POST', '/resume');
    },
  },
};

function stopAndContinue(daemon: string): Effects {
  return {
    apply: (_lab, host) => signalOrFail(host, { daemon, signal: 'STOP' }),
    undo: (_lab, host) => void host.signal(daemon, 'CONT'),
  };
}

function signalOrFail(host: LabHost, options: { daemon: string; signal: SignalName }): void {
  if (host.signal(options.daemon, options.signal)) return;
  throw new HaleError({
    code: 'lab_daemon_not_running',
    kind: 'usage',
    message: `${options.daemon} does not run on ${host.name}`,
    remedy: 'bring the lab up with that service, or choose another host',
  });
}

/** Starts the timer that will undo the fault, then applies it, so that no death of this process leaves it behind. */
export async function inject(lab: Lab, options: { fault: Fault; host: string; undoAfterMs: number }): Promise<InjectedFault> {
  const { fault, undoAfterMs } = options;
  const host = requireTarget(lab, options);
  const id = `${fault}-${host.name}`;
  const path = recordPath(lab.folder, id);
  if (existsSync(path)) {
    throw new HaleError({
      code: 'lab_fault_active',
      kind: 'usage',
      message: `${host.name} has the fault ${fault} already`,
      remedy: 'undo it first, or wait for its timer',
    });
  }
  const timer = startTimer(lab, { id, undoAfterMs });
  const record: FaultRecord = {
    id,
    fault,
    host: host.name,
    injectedAtMs: boottime.now(),
    undoAt: new Date(Date.now() + undoAfterMs).toISOString(),
    timer,
  };
  writeJson(path, record);
  try {
    await EFFECTS[fault].apply(lab, host);
  } catch (error) {
    await undoFault(lab, record);
    throw error;
  }
  return { record, undo: () => undoFault(lab, record) };
}

function requireTarget(lab: Lab, options: { fault: Fault; host: string }): LabHost {
  const host = lab.controlPlane.find((candidate) => candidate.name === options.host);
  if (host?.isOn()) return host;
  throw new HaleError({
    code: 'lab_fault_target_invalid',
    kind: 'usage',
    message: `fault ${options.fault} needs a control-plane host that is on, not ${JSON.stringify(options.host)}`,
    remedy: `hosts that are on: ${
      lab.controlPlane
        .filter((candidate) => candidate.isOn())
        .map(({ name }) => name)
        .join(', ') || 'none'
    }`,
  });
}

export async function undoFault(lab: Lab, record: FaultRecord): Promise<void> {
  const path = recordPath(lab.folder, record.id);
  if (!existsSync(path)) return;
  // The timer calls this too, and shall not end itself.
  if (record.timer.pid !== process.pid) await endProcess(record.timer, 'group');
  await EFFECTS[record.fault].undo(lab, lab.host(record.host));
  rmSync(path, { force: true });
}

export function listFaults(folder: string): FaultRecord[] {
  const dir = join(folder, 'faults');
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readJson<FaultRecord>(join(dir, file)) ?? []);
}

/** Stops all timers of a lab, without undoing anything. */
export async function endTimers(folder: string): Promise<void> {
  for (const record of listFaults(folder)) await endProcess(record.timer, 'group');
}

/** A shell that sleeps and then becomes the undo program: 1 MB while it waits, and in a group of its own, so that it can be ended with its `sleep`. */
function startTimer(lab: Lab, options: { id: string; undoAfterMs: number }): ProcessIdentity {
  mkdirSync(join(lab.folder, 'faults'), { recursive: true });
  const log = openSync(join(lab.folder, 'faults', 'undo.log'), 'a');
  const seconds = (options.undoAfterMs / 1000).toFixed(3);
  const argv = ['-c', 'sleep "$1"; shift; exec "$@"', 'hale-lab-undo', seconds, ...undoArgv({ lab: lab.plan.name, fault: options.id })];
  const child = spawn('sh', argv, { detached: true, stdio: ['ignore', log, log], env: { ...process.env, HALE_LAB_DIR: labsFolder() } });
  closeSync(log);
  child.unref();
  const timer = child.pid === undefined ? undefined : identify(child.pid);
  if (timer !== undefined) return timer;
  throw new HaleError({ code: 'lab_timer_failed', kind: 'world', message: 'the timer that would undo the fault could not be started' });
}

function recordPath(folder: string, id: string): string {
  return join(folder, 'faults', `${id}.json`);
}
