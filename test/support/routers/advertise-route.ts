/** Child process: announces a route through the routing daemon of its network, and answers each line of its input with one. */
import { createInterface } from 'node:readline';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { type BirdOptions, openBird } from '../../../src/drivers/routing/bird.ts';
import { type FrrOptions, openFrr } from '../../../src/drivers/routing/frr.ts';
import type { Advertisement } from '../../../src/ports/advertiser.ts';

const [kind, json] = process.argv.slice(2);
const options = { ...(JSON.parse(json as string) as Omit<FrrOptions & BirdOptions, 'clock'>), clock: boottime };
const advertiser = kind === 'frr' ? openFrr(options) : openBird(options);

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'close') await advertiser.close();
  else if (line !== 'problem') advertiser.want(line as Advertisement);
  process.stdout.write(`${JSON.stringify(advertiser.problem() ?? null)}\n`);
  if (line === 'close') break;
}
process.stdin.destroy();
