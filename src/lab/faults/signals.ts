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

export function signalOrFail(host: LabHost, options: { daemon: string; signal: SignalName }): void {
  if (host.signal(options.daemon, options.signal)) return;
  throw new HaleError({
    code: 'lab_daemon_not_running',
    kind: 'usage',
    message: `${options.daemon} does not run on ${host.name}`,
    remedy: 'bring the lab up with that service, or choose another host',
  });
}
