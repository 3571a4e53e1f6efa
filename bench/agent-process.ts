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

/** Now and at most so far: VmRSS and VmHWM of proc_pid_status(5). */
export function residentMiB(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}
