import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { HaleError } from '../base/error.ts';
import { type BootEntry, openBootList } from './boot-list.ts';
import { hostCgroup, joinArgv, removeHostCgroup } from './cgroup.ts';
import { CLEAN_ENVIRONMENT, run, type CommandOptions, type CommandResult } from './command.ts';
import { readJson, readOptional, writeJson } from './folder.ts';
import { endInit, readInit, startInit } from './init.ts';
import type { HostPlan } from './plan.ts';
import { endProcess, identify, processesOf, sendSignal, type NamespaceProcess, type ProcessIdentity, type SignalName } from './process.ts';
import type { Switch } from './switch.ts';

export interface SpawnOptions {
  env?: Readonly<Record<string, string>>;
  /** Also start it whenever the host boots, after those given earlier. */
  atBoot?: boolean;
}

/** One machine of a lab. Its /etc/hale, /etc/kubernetes, /var/lib/etcd, /var/lib/hale and /run are `folder` plus the same path, seen from outside. */
export interface LabHost extends HostPlan {
  folder: string;
  isOn(): boolean;
  /** The command line that runs a program in the host, for callers that want its pipes or terminal. */
  command(argv: readonly string[]): string[];
  /** Runs a program in the host, from /, and waits for its end. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Starts a daemon in the host; its output goes to `log/NAME.log` and its PID in the host to `run/NAME.pid`. */
  spawn(name: string, argv: readonly string[], options?: SpawnOptions): Promise<void>;
  /** Signals a daemon started by `spawn`; false when it does not run. */
  signal(name: string, signal: SignalName): boolean;
  /** Kills a daemon started by `spawn` and waits until it has ended: before, it would count as running. False when it does not run. */
  kill(name: string): Promise<boolean>;
  running(name: string): boolean;
  /** Number of a daemon in the host's own PID namespace; undefined when it does not run. */
  innerPid(name: string): number | undefined;
  /** Stops (or continues) everything in the host except its init. */
  signalAll(signal: 'STOP' | 'CONT'): void;
  /** Like a power cut: nothing said on the way out reaches the wire, and what is on disk stays. */
  powerOff(): Promise<void>;
  /** Switches the host on and starts the daemons that were to be started at boot. Harmless when it is on. */
  boot(): Promise<void>;
  /** Starts a daemon that was given to `spawn` with `atBoot` once more. Harmless when it runs, and when it is held. */
  restart(name: string): Promise<void>;
  /** Whether the daemon is one that starts at boot, held or not. */
  has(name: string): boolean;
  /** From now on neither a boot nor `restart` starts the daemon. */
  hold(name: string): void;
  /** Undoes `hold`, and starts the daemon; `extra` come after its own arguments for this one start. Harmless when it runs. */
  release(name: string, extra?: readonly string[]): Promise<void>;
}

export function openHost(plan: HostPlan, options: { folder: string; lan: Switch }): LabHost {
  const { folder, lan } = options;
  const machine = { name: plan.name, folder, kind: 'host' as const };
  const boot = openBootList(join(folder, 'boot.json'));
  const bootEntry = (name: string): BootEntry | undefined => boot.all().find((entry) => entry.name === name);
  const daemon = (name: string): NamespaceProcess | undefined => findDaemon(folder, name);
  const start = async (entry: BootEntry): Promise<void> => {
    if (daemon(entry.name) === undefined) await startDaemon({ init: requireInit(machine), folder, entry });
  };
  return {
    ...plan,
    folder,
    isOn: () => readInit(machine) !== undefined,
    command: (argv) => [...enter(folder, requireInit(machine)), ...argv],
    exec: async (argv, execOptions) => await run([...enter(folder, requireInit(machine)), ...argv], execOptions),
    spawn: async (name, argv, spawnOptions = {}) => {
      const entry = { name, argv, ...(spawnOptions.env === undefined ? {} : { env: spawnOptions.env }) };
      if (spawnOptions.atBoot) boot.put(entry);
      await start(entry);
    },
    signal: (name, signal) => {
      const found = daemon(name);
      return found !== undefined && sendSignal(found.pid, signal);
    },
    kill: async (name) => {
      const found = daemon(name);
      const identity = found && identify(found.pid);
      if (identity === undefined) return false;
      await endProcess(identity, 'process');
      return true;
    },
    running: (name) => daemon(name) !== undefined,
    innerPid: (name) => daemon(name)?.innerPid,
    signalAll: (signal) => signalAll(requireInit(machine), signal),
    powerOff: async () => {
      if (readInit(machine) === undefined) return;
      await lan.setPort(plan.name, 'down');
      await endInit(machine);
      // What programs were attached to is part of the power that is cut.
      await removeHostCgroup(folder);
      await lan.disconnect(plan.name);
    },
    boot: async () => {
      if (!isComplete(folder)) {
        await endInit(machine);
        await removeHostCgroup(folder);
        // The old namespace may still be on its way out, and with it a port of the same name.
        await lan.disconnect(plan.name);
        const init = await startInit(machine);
        await lan.connect(plan, init);
        writeJson(join(folder, 'booted.json'), init);
      }
      for (const entry of boot.all()) if (!entry.held) await start(entry);
    },
    restart: async (name) => {
      const entry = bootEntry(name);
      if (entry !== undefined && !entry.held) await start(entry);
    },
    has: (name) => bootEntry(name) !== undefined,
    hold: boot.hold,
    release: async (name, extra = []) => {
      boot.free(name);
      const entry = bootEntry(name);
      if (entry !== undefined) await start({ ...entry, argv: [...entry.argv, ...extra] });
    },
  };
}

/** Whether the host is on and its boot was not cut short, as when the one who booted it died. */
function isComplete(folder: string): boolean {
  const init = readInit({ folder });
  return init !== undefined && readJson<ProcessIdentity>(join(folder, 'booted.json'))?.startTicks === init.startTicks;
}

/** The root and working folder of the target come with its mount namespace. */
function enter(folder: string, init: ProcessIdentity): string[] {
  const namespaces = ['--mount', '--uts', '--net', '--pid'];
  const cgroup = hostCgroup(folder, init.pid);
  if (cgroup === undefined) return ['nsenter', '-t', String(init.pid), ...namespaces, '--'];
  return [...joinArgv(cgroup), 'nsenter', '-t', String(init.pid), ...namespaces, '--cgroup', '--'];
}

function requireInit(machine: { name: string; folder: string }): ProcessIdentity {
  const init = readInit(machine);
  if (init !== undefined) return init;
  throw new HaleError({
    code: 'lab_host_off',
    kind: 'world',
    message: `host ${machine.name} is switched off`,
    remedy: 'boot it, or undo the fault that switched it off',
  });
}

/** The daemon becomes a child of the host's init, because the shell and nsenter between leave at once. */
const DAEMON = `name=$1; shift
"$@" </dev/null &
echo $! >/run/$name.pid`;

async function startDaemon(options: { init: ProcessIdentity; folder: string; entry: BootEntry }): Promise<void> {
  const { init, folder, entry } = options;
  mkdirSync(join(folder, 'log'), { recursive: true });
  const log = openSync(join(folder, 'log', `${entry.name}.log`), 'a');
  const argv = [...enter(folder, init), 'sh', '-c', DAEMON, 'sh', entry.name, ...entry.argv];
  const child = spawn(argv[0] as string, argv.slice(1), {
    detached: true,
    env: { ...CLEAN_ENVIRONMENT, ...entry.env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code === 0) return;
  throw new HaleError({
    code: 'lab_spawn_failed',
    kind: 'world',
    message: `${entry.name} could not be started (status ${code}); see ${join(folder, 'log', `${entry.name}.log`)}`,
  });
}

function findDaemon(folder: string, name: string): NamespaceProcess | undefined {
  const init = readInit({ folder });
  const innerPid = Number(readOptional(join(folder, 'run', `${name}.pid`)));
  if (init === undefined || !(innerPid > 1)) return undefined;
  return processesOf(init).find((process) => process.innerPid === innerPid);
}

function signalAll(init: ProcessIdentity, signal: 'STOP' | 'CONT'): void {
  // Whoever is not stopped yet may fork meanwhile, so look again until nobody new is found.
  for (let round = 0; round < 10; round++) {
    const targets = processesOf(init).filter(({ innerPid, state }) => innerPid > 1 && (state === 'T') === (signal === 'CONT'));
    if (targets.length === 0) return;
    for (const { pid } of targets) sendSignal(pid, signal);
  }
}

/** The line of a daemon's log that most likely says why it ended: the last that speaks of an error, else the last. */
export function lastComplaint(host: Pick<LabHost, 'folder'>, name: string): string {
  const lines = readOptional(join(host.folder, 'log', `${name}.log`))
    .trim()
    .split('\n')
    .slice(-40);
  return lines.findLast((line) => /error|fatal|panic/i.test(line)) ?? lines.at(-1) ?? '';
}
