/** Child of the bench `datapath`: one of hale's datapaths, open in a process of its own, until SIGTERM. */
import { writeFileSync } from 'node:fs';
import type { DatapathPlan } from '../../src/core/balancer/plan.ts';
import { ProxyDatapath } from '../../src/drivers/proxy/proxy.ts';
import { openSocketSteering } from '../../src/drivers/linux/socket/steering.ts';
import type { Log } from '../../src/ports/log.ts';
import type { DriverName, DriverOptions } from './driver-options.ts';

const OPEN: Record<DriverName, (plan: DatapathPlan) => Promise<{ close(): Promise<void> | void }>> = {
  proxy: (plan) => ProxyDatapath.open(plan, die),
  socket: (plan) => Promise.resolve(openSocket(plan)),
};

const options = JSON.parse(process.argv[2] as string) as DriverOptions;
const datapath = await OPEN[options.name](options.plan);
// Keeps the process alive where the datapath itself is in the kernel only.
const stay = setInterval(() => {}, 1 << 30);
process.once('SIGTERM', () => {
  clearInterval(stay);
  void Promise.resolve(datapath.close()).then(() => process.exit(0));
});
writeFileSync(options.readyFile, '');

function openSocket(plan: DatapathPlan): { close(): void } {
  const [{ address, port }] = plan.frontends as [DatapathPlan['frontends'][0]];
  const backends = plan.backends.map((backend) => ({ name: backend.name, addresses: [backend.address], port: backend.port }));
  const opened = openSocketSteering({ addresses: [address], port, backends, log: stderrLog() });
  if (!opened.ok) throw new Error(opened.reason);
  opened.steering.apply(plan);
  return { close: () => void opened.steering.uninstall() };
}

function stderrLog(): Log {
  const write = (facts: object, message: string): void => console.error(message, JSON.stringify(facts));
  return { debug: write, info: write, warn: write, error: write };
}

function die(error: Error): never {
  throw error;
}
