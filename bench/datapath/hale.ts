/** hale's own datapaths, opened by their drivers in processes of the hosts where agents would open them. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatapathPlan } from '../../src/core/balancer/plan.ts';
import { all } from '../../src/lab/command.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { benchFile } from '../program.ts';
import type { DriverName, DriverOptions } from './driver-options.ts';
import { holdAddress, leaveAddress, shared } from './peers.ts';
import { awaitFile, endDaemon, ownAddress, type Rig } from './rig.ts';
import type { Service, Subject } from './subject.ts';

const READY = 'run/driver.ready';
const DAEMON = 'driver';

export const proxy = onHolder('proxy');
export const nat = onHolder('nat');

function onHolder(name: DriverName): Subject {
  return {
    name,
    async up(rig, service) {
      await holdAddress(rig);
      await startDriver(rig, { host: rig.holder, name, plan: planOf(rig, service) });
      return shared(rig, service);
    },
    async down(rig) {
      await endDaemon(rig.holder, DAEMON);
      await leaveAddress(rig);
    },
  };
}

/** Frames keep their ports, so the shared address has the servers' own. */
export const dsr: Subject = {
  name: 'dsr',
  async up(rig, service) {
    const plan = planOf(rig, { ...service, frontendPort: service.port });
    await all(rig.hosts.map((host, self) => startDriver(rig, { host, name: 'dsr', plan: { ...plan, self } })));
    await holdAddress(rig);
    return { addresses: [rig.address], port: service.port };
  },
  async down(rig) {
    await leaveAddress(rig);
    await all(rig.hosts.map((host) => endDaemon(host, DAEMON)));
    for (const host of rig.hosts)
      await host.exec(['sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=0', 'net.ipv4.conf.eth0.arp_announce=0']);
  },
};

/** On the client itself; the address is on no wire. */
export const socket: Subject = {
  name: 'socket',
  problem: () => (process.geteuid?.() === 0 ? undefined : 'eBPF needs root'),
  async up(rig, service) {
    await startDriver(rig, { host: rig.client, name: 'socket', plan: planOf(rig, service) });
    return shared(rig, service);
  },
  down: (rig) => endDaemon(rig.client, DAEMON),
};

const carried = onHolder('ipvs');

/** Where the kernel lacks it, it is not measured on another one: the numbers would not be of one machine. */
export const ipvs: Subject = {
  ...carried,
  problem: () => (existsSync('/proc/net/ip_vs') ? undefined : 'the kernel has no IPVS, or it is not loaded (modprobe ip_vs)'),
  async up(rig, service) {
    await rig.holder.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    return await carried.up(rig, service);
  },
  async down(rig) {
    await carried.down(rig);
    await rig.holder.exec(['sysctl', '-qw', 'net.ipv4.ip_forward=0']);
  },
};

function planOf(rig: Rig, { port, frontendPort, backends }: Service): DatapathPlan {
  return {
    self: rig.hosts.indexOf(rig.holder),
    frontends: [{ address: rig.address, port: frontendPort }],
    backends: rig.hosts.map((host) => ({
      name: host.name,
      address: ownAddress(host),
      port,
      mac: host.mac,
      serves: true,
      state: backends.includes(host) ? ('ready' as const) : ('dead' as const),
    })),
  };
}

async function startDriver(rig: Rig, options: { host: LabHost; name: DriverName; plan: DatapathPlan }): Promise<void> {
  const { host, ...rest } = options;
  rmSync(join(host.folder, READY), { force: true });
  const driver: DriverOptions = { ...rest, holds: host === rig.holder, readyFile: `/${READY}` };
  await host.spawn(DAEMON, [process.execPath, benchFile('datapath/driver'), JSON.stringify(driver)]);
  await awaitFile(host, DAEMON, READY);
}
