/** How often a drill asks: by what a request takes on this machine at rest. */
import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../../base/stats.ts';
import type { Lab } from '../lab.ts';
import { startProbe } from '../probe/process.ts';
import { PROBE_INTERVAL_MS, recordingFile, requestsOf } from './instruments.ts';

/** Of a request at `PROBE_INTERVAL_MS`: what takes longer leaves the hosts too little of two cores, and their API servers would answer late for that alone. */
const BRISK_MS = 4;
const SLOW_INTERVAL_MS = 20;
const TRIAL = { intervalMs: 50, forMs: 1000 };

/** Time between requests, in milliseconds, and what one takes; NaN when none succeeds. */
export async function findPace(lab: Lab): Promise<{ intervalMs: number; takesMs: number }> {
  const options = { ...requestsOf(lab), intervalMs: TRIAL.intervalMs, connections: 0, outFile: recordingFile(lab, 'pace.ndjson') };
  const probe = await startProbe(lab.client.command([]), options);
  await sleep(TRIAL.forMs);
  const { requests } = await probe.stop();
  const durations = requests.filter(({ ok }) => ok).map(({ startMs, endMs }) => endMs - startMs);
  const takesMs = quantile(durations, 0.5);
  return { intervalMs: takesMs > BRISK_MS ? SLOW_INTERVAL_MS : PROBE_INTERVAL_MS, takesMs };
}
