/** Faults of the agent alone, on a host that is otherwise well. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { type TimingProfile, timingProfiles } from '../../core/lease/timing.ts';
import { all } from '../command.ts';
import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { agentArgv } from '../services.ts';
import { stopDaemon } from '../stop.ts';
import type { Effects } from './effects.ts';
import { startHarm } from './harm.ts';
import { killAndRestart, signalOrFail, stopAndContinue } from './signals.ts';

/** Runs for a moment, then not at all for longer than its lease. */
const STARVE = 'while kill -STOP "$1"; do sleep "$2"; kill -CONT "$1"; sleep "$3"; done';
const RUN_MS = 10;
const STOP_LEASES = 1.5;

const CLOCK_FILE = 'run/hale-clock';
const JUMP = '+1h';

export const AGENT_EFFECTS = {
  'agent-kill': killAndRestart('agent'),
  'freeze-agent': stopAndContinue('agent'),
  /**
   * What a CPU quota does, done with SIGSTOP and SIGCONT: a quota of cgroup v2 does not bind the agent's real-time thread, and that of
   * cgroup v1 does so only on kernels with real-time groups (sched(7), CONFIG_RT_GROUP_SCHED).
   */
  'starve-agent': {
    apply: (lab, host, { forMs }) => {
      const pid = host.innerPid('agent');
      if (pid === undefined) return signalOrFail(host, { daemon: 'agent', signal: 'STOP' });
      const stopMs = timingProfiles[lab.plan.profile as TimingProfile].leaseMs * STOP_LEASES;
      const numbers = [pid, stopMs / 1000, RUN_MS / 1000].map(String);
      return startHarm(lab, { argv: host.command(['sh', '-c', STARVE, 'hale-lab-starve', ...numbers]), forMs });
    },
    undo: (_lab, host) => void host.signal('agent', 'CONT'),
  },
  /**
   * CLOCK_REALTIME of the agent jumps forward by an hour, and back. CLOCK_BOOTTIME cannot be made to
   * jump: nobody may set it (clock_settime(2)), and the offset of a time namespace is fixed once a process is in it (time_namespaces(7)).
   */
  'clock-jump': {
    prepare: async (lab) => {
      const argv = onFakedClock(agentArgv());
      await restartAgents(lab, (host) => {
        setClock(host, '+0');
        return host.spawn('agent', argv);
      });
    },
    restore: async (lab) => {
      await restartAgents(lab, (host) => host.restart('agent'));
      for (const host of lab.controlPlane) rmSync(join(host.folder, CLOCK_FILE), { force: true });
    },
    apply: (_lab, host) => {
      if (!isPrepared(host)) throw unprepared(host);
      setClock(host, JUMP);
    },
    undo: (_lab, host) => {
      if (isPrepared(host)) setClock(host, '+0');
    },
  },
} as const satisfies Record<string, Effects>;

/** Faking the monotonic clocks too would give them the base of the real-time clock, and libuv ends a process whose clock goes back. */
const FAKETIME = [`FAKETIME_TIMESTAMP_FILE=/${CLOCK_FILE}`, 'FAKETIME_NO_CACHE=1', 'FAKETIME_DONT_FAKE_MONOTONIC=1'];

/**
 * Runs a program by the clock that the host's agent has after `prepare`. The library keeps semaphores named after process numbers in /dev/shm, which hosts
 * share and numbers of hosts collide in: each program gets one of its own.
 */
export function onFakedClock(argv: readonly string[]): string[] {
  const script = 'mount -t tmpfs hale-lab /dev/shm && exec env "$@"';
  return ['unshare', '--mount', 'sh', '-c', script, 'sh', `LD_PRELOAD=${libfaketime()}`, ...FAKETIME, ...argv];
}

/** The file stands for the preparation: it goes with it, and with a power cut. */
function isPrepared(host: LabHost): boolean {
  return existsSync(join(host.folder, CLOCK_FILE));
}

function unprepared(host: LabHost): HaleError {
  return new HaleError({
    code: 'lab_fault_unprepared',
    kind: 'usage',
    message: `the agent of ${host.name} was not started so that its clock could jump`,
    remedy: 'run it as a drill: hale drill run owner-clock-jump',
  });
}

/** How far the clock of a host's agent is from the right one, as libfaketime writes it: `+1h`, `-366d`. */
export function setClock(host: LabHost, offset: string): void {
  writeFileSync(join(host.folder, CLOCK_FILE), `${offset}\n`);
}

async function restartAgents(lab: Lab, start: (host: LabHost) => Promise<void>): Promise<void> {
  const hosts = lab.controlPlane.filter((host) => host.isOn());
  await all(hosts.map((host) => stopDaemon(host, 'agent')));
  await all(hosts.map(start));
}

/** Debian keeps it in a folder of each architecture, others directly in lib or lib64. */
function libfaketime(): string {
  const roots = ['/usr/lib', '/usr/lib64'];
  const folders = roots.flatMap((root) => [root, ...subfolders(root)]).map((folder) => join(folder, 'faketime'));
  const found = folders
    .flatMap((folder) => files(folder).map((file) => join(folder, file)))
    .find((file) => file.endsWith('/libfaketimeMT.so.1'));
  if (found !== undefined) return found;
  throw new HaleError({
    code: 'lab_faketime_not_found',
    kind: 'world',
    message: 'the fault clock-jump needs libfaketime, which is not installed',
    remedy: 'apt-get install libfaketime',
  });
}

function subfolders(folder: string): string[] {
  return files(folder).map((name) => join(folder, name));
}

function files(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Not there, or not a folder: nothing in it.
    return [];
  }
}
