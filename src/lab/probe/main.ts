/**
 * The probe: what a client of the address sees, recorded from inside the client's host. Reads its options as one line on stdin, says
 * `ready` on stdout once its traffic runs, records until it reads `stop` (or gets SIGTERM), finishes the recording and says `end`.
 * When its stdin closes, its parent is gone: it ends at once, so that no probe outlives its drill.
 */
import { createInterface } from 'node:readline';
import type { Sighting } from '../../core/drill/record.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { becomeRealtime } from '../../drivers/linux/scheduling.ts';
import { ConnectionFleet } from './connections.ts';
import { HolderObserver } from './observer.ts';
import type { ProbeOptions } from './options.ts';
import { Recorder } from './recorder.ts';
import { RequestLoop } from './requests.ts';
import { targetOf } from './target.ts';

/** Below the agents' 50, above everything they carry: an instrument that is late measures itself. Refused without rights; the lag is recorded either way. */
const REALTIME_PRIORITY = 10;

async function main(): Promise<void> {
  becomeRealtime(REALTIME_PRIORITY);
  const lines = createInterface({ input: process.stdin });
  const stopped = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      if (line === 'stop') resolve();
    });
    process.once('SIGTERM', resolve);
  });
  lines.once('close', () => process.exit(0));
  const options = await new Promise<ProbeOptions>((resolve) => lines.once('line', (line) => resolve(JSON.parse(line) as ProbeOptions)));
  await probe(options, stopped);
  process.exit(0);
}

async function probe(options: ProbeOptions, stopped: Promise<void>): Promise<void> {
  const { now } = boottime;
  const recorder = new Recorder(options.outFile);
  const target = targetOf(options);
  const fleet = new ConnectionFleet({ target, count: options.connections, now });
  await fleet.open();
  const { intervalMs, timeoutMs } = options;
  const requests = new RequestLoop({
    target,
    intervalMs,
    timeoutMs,
    now,
    onRecord: (record) => recorder.add({ type: 'request', ...record }),
  });
  const { address, port, observer: observerOptions } = options;
  const onSighting = (sighting: Sighting): void => recorder.add({ type: 'sighting', ...sighting });
  const observer = observerOptions && new HolderObserver({ address, port, observer: observerOptions, now, onSighting });
  requests.start();
  process.stdout.write('ready\n');
  await stopped;
  observer?.close();
  const [connections] = await Promise.all([fleet.stop(timeoutMs), requests.stop()]);
  for (const connection of connections) recorder.add({ type: 'connection', ...connection });
  recorder.add({ type: 'end', probeLagMs: requests.lagMs });
  recorder.close();
  process.stdout.write('end\n');
}

await main();
