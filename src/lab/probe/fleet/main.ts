/** The fleet as a program of its own in the client's host. Speaks like the probe: options in, `ready`, `stop`, `end`. */
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { boottime } from '../../../drivers/linux/boottime.ts';
import { serve } from '../serve.ts';
import { Fleet } from './fleet.ts';
import type { FleetOptions } from './options.ts';

await serve<FleetOptions>(async (options, { ready, stopped }) => {
  if (options.nice !== undefined) setPriority(options.nice);
  const fleet = new Fleet(options, boottime.now);
  await fleet.start();
  ready();
  await stopped;
  writeFileSync(options.outFile, JSON.stringify(await fleet.stop()));
});
