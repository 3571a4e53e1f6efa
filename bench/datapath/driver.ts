/** Child of the bench `datapath`: one of hale's datapaths, open in a process of its own in the holder's host, until SIGTERM. */
import { writeFileSync } from 'node:fs';
import { ProxyDatapath } from '../../src/drivers/proxy/proxy.ts';
import type { Datapath } from '../../src/ports/datapath.ts';
import type { DriverName, DriverOptions } from './driver-options.ts';

const OPEN: Record<DriverName, (options: DriverOptions) => Promise<Pick<Datapath, 'close'>>> = {
  proxy: ({ plan }) => ProxyDatapath.open(plan, die),
};

const options = JSON.parse(process.argv[2] as string) as DriverOptions;
const datapath = await OPEN[options.name](options);
// Keeps the process alive where the datapath itself is in the kernel only.
const stay = setInterval(() => {}, 1 << 30);
process.once('SIGTERM', () => {
  clearInterval(stay);
  void datapath.close().then(() => process.exit(0));
});
writeFileSync(options.readyFile, '');

function die(error: Error): never {
  throw error;
}
