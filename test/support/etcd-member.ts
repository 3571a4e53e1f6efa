import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freeze } from './freeze.ts';

/** One member of a cluster that a test started. */
export interface EtcdMemberProcess {
  name: string;
  clientUrl: string;
  peerUrl: string;
  dataDir: string;
  logFile: string;
  readonly pid: number | undefined;
  readonly running: boolean;
  /** Runs the member, again if it was ended, on the data it has. Flags of this run go before those of the member. */
  start(flags?: EtcdFlags): void;
  /** SIGTERM, and waits until the process is gone: etcd gives leadership away first. */
  stop(): Promise<void>;
  /** SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>;
  /** Waits until it ends by itself, as a member does that was removed. */
  ended(): Promise<void>;
  /** SIGSTOP: its ports accept connections, and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Removes its data; it must not run. */
  wipe(): void;
  /** All that it ever said. */
  log(): string;
}

/** Without the dashes; false leaves one out that the rig would give. */
export type EtcdFlags = Readonly<Record<string, string | number | boolean>>;

export interface MemberPlace {
  name: string;
  clientUrl: string;
  peerUrl: string;
  /** Of the cluster; `NAME.log` is there. */
  dir: string;
  dataDir: string;
}

/** A member that does not run yet. */
export function etcdMember(etcd: string, place: MemberPlace, flags: EtcdFlags): EtcdMemberProcess {
  let child: ChildProcess | undefined;
  const { name, clientUrl, peerUrl, dataDir, dir } = place;
  const logFile = join(dir, `${name}.log`);
  const running = (): boolean => child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const ended = async (): Promise<void> => void (running() && (await once(child as ChildProcess, 'exit')));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const gone = ended();
    if (running()) child?.kill(signal);
    await gone;
  };
  return {
    name,
    clientUrl,
    peerUrl,
    dataDir,
    logFile,
    get pid() {
      return running() ? child?.pid : undefined;
    },
    get running() {
      return running();
    },
    start(more = {}) {
      if (running()) throw new Error(`${name} runs already`);
      const log = openSync(logFile, 'a');
      const argv = [etcd, ...argumentsOf({ ...flags, ...more })];
      // setpriv: the kernel ends the member with this process, also when that is killed.
      child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: ['ignore', log, log] });
      closeSync(log);
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    ended,
    freeze: () => freeze(child?.pid as number),
    thaw: () => void (running() && child?.kill('SIGCONT')),
    wipe() {
      if (running()) throw new Error(`${name} runs: its data cannot be removed`);
      rmSync(dataDir, { recursive: true, force: true });
    },
    log: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''),
  };
}

function argumentsOf(flags: EtcdFlags): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => (value === false ? [] : `--${flag}=${value}`));
}
