import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../base/error.ts';
import type { LabHost } from '../host.ts';
import type { SignalName } from '../process.ts';
import type { Effects } from './effects.ts';

const GONE_LOOK_MS = 20;

export function stopAndContinue(daemon: string): Effects {
  return {
    apply: (_lab, host) => signalOrFail(host, { daemon, signal: 'STOP' }),
    undo: (_lab, host) => void host.signal(daemon, 'CONT'),
  };
}

/** The undo is what a supervisor does. */
export function killAndRestart(daemon: string): Effects {
  return {
    apply: async (_lab, host) => {
      signalOrFail(host, { daemon, signal: 'KILL' });
      await gone(host, daemon);
    },
    undo: async (_lab, host) => {
      if (host.isOn()) await host.restart(daemon);
    },
  };
}

/** Waits for the end of a daemon that was killed: while it is on its way out it counts as running, and starting it again would do nothing. */
export async function gone(host: LabHost, daemon: string): Promise<void> {
  do await sleep(GONE_LOOK_MS);
  while (host.running(daemon));
}

export function signalOrFail(host: LabHost, options: { daemon: string; signal: SignalName }): void {
  if (host.signal(options.daemon, options.signal)) return;
  throw new HaleError({
    code: 'lab_daemon_not_running',
    kind: 'usage',
    message: `${options.daemon} does not run on ${host.name}`,
    remedy: 'bring the lab up with that service, or choose another host',
  });
}
