import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { labsFolder, readJson, writeJson } from '../folder.ts';
import type { Lab } from '../lab.ts';
import { endProcess, identify, type ProcessIdentity } from '../process.ts';
import { undoArgv } from '../services.ts';
import { type BoundEffects, EFFECTS, type Effects, type Fault, type HostFault, isNodeFault } from './effects.ts';
import { bindNodeFault } from './node.ts';

export interface FaultRecord {
  id: string;
  fault: Fault;
  /** A control-plane host; for a fault of nodes a node, a zone, or `nodes`. */
  host: string;
  /** Every host, or node, on which it strikes something; more than the one named for a partition. */
  struck: readonly string[];
  /** Milliseconds of CLOCK_BOOTTIME, just before the fault was applied. */
  injectedAtMs: number;
  /** When the timer undoes it, if nobody did before (ISO 8601). */
  undoAt: string;
  timer: ProcessIdentity;
  /** What goes on doing harm, for a fault that has such a process. */
  harm?: ProcessIdentity;
}

export interface InjectedFault {
  record: FaultRecord;
  /** Puts things right at once, and stops the timer. Harmless when the timer did it. */
  undo(): Promise<void>;
}

/** Starts the timer that will undo the fault, then applies it, so that no death of this process leaves it behind. */
export async function inject(lab: Lab, options: { fault: Fault; host: string; undoAfterMs: number }): Promise<InjectedFault> {
  const { fault, undoAfterMs } = options;
  const effects = bind(lab, requireTarget(lab, options));
  const { target } = effects;
  const id = `${fault}-${target}`;
  const path = recordPath(lab.folder, id);
  if (existsSync(path)) {
    throw new HaleError({
      code: 'lab_fault_active',
      kind: 'usage',
      message: `${target} has the fault ${fault} already`,
      remedy: 'undo it first, or wait for its timer',
    });
  }
  const struck = await effects.struck();
  const timer = startTimer(lab, { id, undoAfterMs });
  const record: FaultRecord = {
    id,
    fault,
    host: target,
    struck,
    injectedAtMs: boottime.now(),
    undoAt: new Date(Date.now() + undoAfterMs).toISOString(),
    timer,
  };
  writeJson(path, record);
  try {
    const harm = await effects.apply({ forMs: undoAfterMs, struck });
    if (harm) writeJson(path, Object.assign(record, { harm }));
  } catch (error) {
    await undoFault(lab, record);
    throw error;
  }
  return { record, undo: () => undoFault(lab, record) };
}

/** Makes a lab ready for a fault, before it comes to rest; the return value undoes that. */
export async function prepareFault(lab: Lab, fault: Fault): Promise<() => Promise<void>> {
  if (isNodeFault(fault)) return async () => undefined;
  const { prepare, restore } = effectsOf(fault);
  await prepare?.(lab);
  return async () => await restore?.(lab);
}

function effectsOf(fault: HostFault): Effects {
  return EFFECTS[fault];
}

interface Strike {
  fault: Fault;
  host: string;
}

function bind(lab: Lab, { fault, host: target }: Strike): BoundEffects {
  if (isNodeFault(fault)) return bindNodeFault(lab, { fault, target });
  const effects = effectsOf(fault);
  const host = lab.host(target);
  return {
    target,
    struck: async () => (await effects.struck?.(lab, host)) ?? [target],
    apply: (options) => effects.apply(lab, host, options),
    undo: () => effects.undo(lab, host),
  };
}

function requireTarget(lab: Lab, options: Strike): Strike {
  const host = lab.controlPlane.find((candidate) => candidate.name === options.host);
  if (isNodeFault(options.fault) || host?.isOn()) return options;
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
  if (record.harm !== undefined) await endProcess(record.harm, 'group');
  await bind(lab, record).undo();
  rmSync(path, { force: true });
}

export function listFaults(folder: string): FaultRecord[] {
  const dir = join(folder, 'faults');
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readJson<FaultRecord>(join(dir, file)) ?? []);
}

/** Stops all timers of a lab, and what does harm in it, without undoing anything. */
export async function endTimers(folder: string): Promise<void> {
  for (const record of listFaults(folder)) {
    await endProcess(record.timer, 'group');
    if (record.harm !== undefined) await endProcess(record.harm, 'group');
  }
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
