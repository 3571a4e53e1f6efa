import { setTimeout as sleep } from 'node:timers/promises';
import type { LabHost } from './host.ts';

const TIMEOUT_MS = 10_000;

/** Asks a daemon to end (SIGTERM) and waits until it has; one that does not is killed. Harmless when it does not run. */
export async function stopDaemon(host: LabHost, name: string): Promise<void> {
  const until = performance.now() + TIMEOUT_MS;
  host.signal(name, 'TERM');
  while (host.running(name)) {
    if (performance.now() > until) host.signal(name, 'KILL');
    await sleep(20);
  }
}
