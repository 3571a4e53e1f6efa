/** The probe: what a client of the address sees, recorded from inside the client's host. */
import { boottime } from '../../drivers/linux/boottime.ts';
import { becomeRealtime } from '../../drivers/linux/scheduling.ts';
import type { RequestRecord } from '../../core/drill/record.ts';
import { ConnectionFleet } from './connections.ts';
import type { ProbeOptions } from './options.ts';
import { Recorder } from './recorder.ts';
import { RequestLoop } from './requests.ts';
import { type Course, serve } from './serve.ts';
import { targetOf } from './target.ts';

/** Below the agents' 50, above everything they carry: an instrument that is late measures itself. Refused without rights; the lag is recorded either way. */
const REALTIME_PRIORITY = 10;

await serve<ProbeOptions>(probe);

async function probe(options: ProbeOptions, { ready, stopped }: Course): Promise<void> {
  const { now } = boottime;
  const recorder = new Recorder(options.outFile);
  const target = targetOf(options);
  const fleet = new ConnectionFleet({ target, count: options.connections, now });
  await fleet.open();
  const { intervalMs, timeoutMs } = options;
  const onRecord = (record: RequestRecord): void => recorder.add({ type: 'request', ...record });
  const requests = intervalMs === null ? undefined : new RequestLoop({ target, intervalMs, timeoutMs, now, onRecord });
  if (requests !== undefined) becomeRealtime(REALTIME_PRIORITY);
  requests?.start();
  ready();
  await stopped;
  const [connections] = await Promise.all([fleet.stop(timeoutMs), requests?.stop()]);
  for (const connection of connections) recorder.add({ type: 'connection', ...connection });
  recorder.add({ type: 'end', probeLagMs: requests?.lagMs ?? 0 });
  recorder.close();
}
