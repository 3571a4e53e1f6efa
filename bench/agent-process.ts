/** Processes of agents, seen through /proc of this machine. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert } from '../src/base/assert.ts';
import type { LabHost } from '../src/lab/host.ts';
import { readInit } from '../src/lab/init.ts';
import { processesOf } from '../src/lab/process.ts';

/** Process number, on this machine, of a host's agent. */
export function agentPid(host: LabHost): number {
  const innerPid = Number(readFileSync(join(host.folder, 'run/agent.pid'), 'utf8'));
  const init = readInit(host);
  const found = init && processesOf(init).find((process) => process.innerPid === innerPid);
  assert(found !== undefined, `an agent runs on ${host.name}`);
  return found.pid;
}

/** CPU time of all living threads in nanoseconds (Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat, field 1). */
export function cpuTimeNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, timeNs) => sum + timeNs, 0);
}

/** Process number of the guardian beside an agent. */
export function guardianPid(agent: number): number {
  const children = readFileSync(`/proc/${agent}/task/${agent}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('guardian'));
  assert(found !== undefined, `agent ${agent} has a guardian`);
  return found;
}

export interface Memory {
  /** VmRSS and VmHWM of proc_pid_status(5). */
  residentMiB: number;
  peakMiB: number;
  /** Pages shared with other processes count in part, or not at all: Pss and Private_* of /proc/PID/smaps_rollup. */
  proportionalMiB: number;
  privateMiB: number;
}

export function memoryOf(pid: number): Memory {
  const mib = (file: string, name: string): number => {
    const text = readFileSync(`/proc/${pid}/${file}`, 'utf8');
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) / 1024;
  };
  return {
    residentMiB: mib('status', 'VmRSS'),
    peakMiB: mib('status', 'VmHWM'),
    proportionalMiB: mib('smaps_rollup', 'Pss'),
    privateMiB: mib('smaps_rollup', 'Private_Clean') + mib('smaps_rollup', 'Private_Dirty'),
  };
}
