import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** A program that ends with this process, however that ends. */
export interface GuardedProcess {
  /** Its exit status as a shell tells it; undefined while it runs. */
  readonly status: number | undefined;
  /** Until it has ended by itself. */
  ended(): Promise<number>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** The last lines of what it wrote. */
  lastWords(): string;
}

/** Kills the program when its own input ends: the kernel closes that with the process that holds the other end. */
const GUARD =
  'exec 3<&0; "$@" </dev/null 3<&- & child=$!; { read -r never <&3; kill -KILL "$child"; } 2>/dev/null & watch=$!; exec 3<&-; wait "$child"; status=$?; kill "$watch" 2>/dev/null; exit "$status"';
const LAST_LINES = 4;

/** Starts a program, its output in a file. Detached, so that Ctrl-C in the terminal does not reach it before this process has cleaned up. */
export function startGuarded(argv: readonly string[], options: { logFile: string }): GuardedProcess {
  const log = openSync(options.logFile, 'a', 0o600);
  const child: ChildProcess = spawn('/bin/sh', ['-c', GUARD, 'sh', ...argv], {
    detached: true,
    stdio: ['pipe', log, log],
    env: plainEnvironment(),
  });
  closeSync(log);
  child.stdin?.on('error', () => undefined);
  const exited = once(child, 'exit').then(([code]) => (code as number | null) ?? 128);
  // Awaited by whoever waits; a shell that cannot be started is an end, too.
  const ended = exited.catch(() => 127);
  return {
    get status() {
      return child.exitCode ?? (child.signalCode === null ? undefined : 128);
    },
    ended: () => ended,
    async kill() {
      child.stdin?.destroy();
      await ended;
    },
    lastWords: () => readFileSync(options.logFile, 'utf8').trim().split('\n').slice(-LAST_LINES).join('; '),
  };
}

/** etcd and etcdctl take a flag that is not given from a variable (ETCD_DISCOVERY, ETCDCTL_ENDPOINTS), which is the caller's and of another etcd. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD'));
  // etcdctl 3.3's way of asking for version 3; 3.4 and later know no other.
  return { ...Object.fromEntries(own), ETCDCTL_API: '3' };
}
