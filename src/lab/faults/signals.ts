import { HaleError } from '../../base/error.ts';
import type { LabHost } from '../host.ts';
import type { SignalName } from '../process.ts';
import type { Effects } from './effects.ts';

export function stopAndContinue(daemon: string): Effects {
  return {
    apply: (_lab, host) => signalOrFail(host, { daemon, signal: 'STOP' }),
    undo: (_lab, host) => void host.signal(daemon, 'CONT'),
  };
}

/** The undo is what a supervisor does. */
export function killAndRestart(daemon: string): Effects {
  return {
    apply: (_lab, host) => killOrFail(host, daemon),
    undo: async (_lab, host) => {
      if (host.isOn()) await host.restart(daemon);
    },
  };
}

/** The daemon has ended when this has. */
export async function killOrFail(host: LabHost, daemon: string): Promise<void> {
  if (!(await host.kill(daemon))) throw notRunning(host, daemon);
}

export function signalOrFail(host: LabHost, options: { daemon: string; signal: SignalName }): void {
  if (!host.signal(options.daemon, options.signal)) throw notRunning(host, options.daemon);
}

function notRunning(host: LabHost, daemon: string): HaleError {
  return new HaleError({
    code: 'lab_daemon_not_running',
    kind: 'usage',
    message: `${daemon} does not run on ${host.name}`,
    remedy: 'bring the lab up with that service, or choose another host',
  });
}
