/** hale's own datapaths, opened by their drivers in processes of the hosts where agents would open them. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatapathPlan } from '../../src/core/balancer/plan.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { benchFile } from '../program.ts';
import type { DriverName, DriverOptions } from './driver-options.ts';
import { holdAddress, leaveAddress, shared } from './peers.ts';
import { awaitFile, endDaemon, ownAddress, type Rig } from './rig.ts';
import type { Service, Subject } from './subject.ts';

const READY = 'run/driver.ready';
const DAEMON = 'driver';

export const proxy: Subject = {
  name: 'proxy',
  async up(rig, service) {
    await holdAddress(rig);
    await startDriver(rig.holder, { name: 'proxy', plan: planOf(rig, service) });
    return shared(rig, service);
  },
  async down(rig) {
    await endDriver(rig.holder);
    await leaveAddress(rig);
  },
};

/** On the client itself; the address is on no wire. */
export const socket: Subject = {
  name: 'socket',
  problem: () =>
    process.geteuid?.() === 0 && readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295') ? undefined : 'eBPF needs root',
  async up(rig, service) {
    await startDriver(rig.client, { name: 'socket', plan: planOf(rig, service) });
    return shared(rig, service);
  },
  down: (rig) => endDriver(rig.client),
};

/** What the kernel of this machine lacks is not measured in another one: the numbers would not be of one machine. */
export const ipvs: Subject = {
  name: 'ipvs',
  problem: () => (existsSync('/proc/net/ip_vs') ? undefined : 'this kernel has no IPVS (no /proc/net/ip_vs)'),
  up: () => Promise.reject(new Error('no rig with IPVS')),
  down: () => Promise.resolve(),
};

function planOf(rig: Rig, { port, frontendPort, backends }: Service): DatapathPlan {
  return {
    self: rig.hosts.indexOf(rig.holder),
    frontends: [{ address: rig.address, port: frontendPort }],
    backends: rig.hosts.map((host) => ({
      name: host.name,
      address: ownAddress(host),
      port,
      state: backends.includes(host) ? ('ready' as const) : ('dead' as const),
    })),
  };
}

async function startDriver(host: LabHost, options: { name: DriverName; plan: DatapathPlan }): Promise<void> {
  rmSync(join(host.folder, READY), { force: true });
  const driver: DriverOptions = { ...options, readyFile: `/${READY}` };
  await host.spawn(DAEMON, [process.execPath, benchFile('datapath/driver'), JSON.stringify(driver)]);
  await awaitFile(host, DAEMON, READY);
}

async function endDriver(host: LabHost): Promise<void> {
  await endDaemon(host, DAEMON);
}
