/** The watch as a program of its own, so that no request and no handshake of the probe delays it. Speaks like the probe: options in, `ready`, `stop`, `end`. */
import { writeFileSync } from 'node:fs';
import { becomeRealtime } from '../../drivers/linux/scheduling.ts';
import type { WatchOptions } from './options.ts';
import { serve } from './serve.ts';
import { AddressWatch } from './watch.ts';

/** Below the agents' 50, above the probe, which has more to do at a time. Refused without rights; the rounds' own times are recorded either way. */
const REALTIME_PRIORITY = 20;

await serve<WatchOptions>(async (options, { ready, stopped }) => {
  becomeRealtime(REALTIME_PRIORITY);
  const watch = new AddressWatch(options);
  ready();
  await stopped;
  writeFileSync(options.outFile, JSON.stringify(await watch.close()));
});
