import { familyOf } from '../base/address.ts';
import { SILENT_MASKS } from '../core/balancer/steering.ts';
import { DRAIN_GRACE_MS, RESET_MARGIN_MS } from '../core/balancer/timing.ts';
import { virtualRouterId } from '../core/cluster/router-id.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { steeringRuleset } from '../drivers/linux/dsr/ruleset.ts';
import { putUpServing, takeDownServing } from '../drivers/linux/dsr/serving.ts';
import { type DsrOptions, DsrTable } from '../drivers/linux/dsr/table.ts';
import { type LinuxEndpoint, openEndpoint } from '../drivers/linux/endpoint.ts';
import { type Link, linkByName } from '../drivers/linux/links.ts';
import { natRuleset } from '../drivers/linux/nat/ruleset.ts';
import { removeLeftGate } from '../drivers/linux/left-gate.ts';
import { neighborMacs } from '../drivers/linux/neighbor-table.ts';
import { type LinuxNeighbors, openNeighbors } from '../drivers/linux/neighbors.ts';
import { becomeRealtime } from '../drivers/linux/scheduling.ts';
import type { Choice } from '../core/balancer/choice.ts';
import { openVirtualMac, type VirtualMac } from '../drivers/linux/virtual-mac.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { chooseHere } from './choice.ts';
import { openRoutedHost } from './routed-host.ts';
import type { Self } from './self.ts';
import type { Host } from './world.ts';

/** Above ordinary work, below the kernel's own threads at 99. */
export const REALTIME_PRIORITY = 50;

export interface HostOptions {
  cluster: Cluster;
  self: Self;
  clock: Clock;
  log: Log;
}

export interface ChosenHostOptions extends HostOptions {
  /** Carries the address. */
  link: Link;
  virtualMac: VirtualMac | undefined;
  choice: Choice;
}

/** Opens this Linux machine for the agent, and removes what an earlier run left on the interface. */
export function openHost(options: HostOptions): Host {
  const { cluster, self, log } = options;
  const virtualMac = virtualMacOf(cluster, self.interfaceName);
  const link = virtualMac?.link ?? linkByName(self.interfaceName);
  const dsrOptions = dsrOptionsOf({ cluster, self, link });
  const script = steeringRuleset({ ...dsrOptions, mac: link.mac, outgoing: false, masks: SILENT_MASKS });
  const choice = chooseHere({ cluster, scripts: { dsr: script, nat: natScript(cluster) }, log });
  if (virtualMac !== undefined) removeLeftGate({ except: link.index });
  const chosen = { ...options, link, choice, virtualMac };
  // Only what steers frames has to tell those of routers from those of other members.
  return cluster.advertise !== 'arp' && choice.datapath !== 'dsr' ? openRoutedHost(chosen) : openGatedHost(chosen, dsrOptions);
}

function openGatedHost(options: ChosenHostOptions, dsrOptions: DsrOptions): Host {
  const { cluster, self, clock, log, link, choice, virtualMac } = options;
  const { addresses } = cluster.endpoint;
  const onLink = cluster.advertise === 'arp';
  const dsr = choice.datapath === 'dsr' ? new DsrTable(dsrOptions) : undefined;
  const neighbors = openNeighbors(link, addresses);
  const endpoint = openEndpoint({
    link,
    addresses,
    neighbors,
    clock,
    log,
    graceMs: DRAIN_GRACE_MS + RESET_MARGIN_MS,
    onLink,
    ...(dsr && { table: dsr.gateTable, members: dsr.memberMacs() }),
  });
  dsr?.guardWith(endpoint.deadline);
  // Behind the closed gate.
  const onEveryHost = choice.datapath === 'dsr' || choice.datapath === 'ipvs';
  const serve = (): string[] => serveOrNot({ onEveryHost, link, addresses, log });
  const restarted = serve().length === 0;
  if (endpoint.weakness !== undefined) log.warn({ weakness: endpoint.weakness }, 'the lease is enforced in part only');
  const realtime = becomeRealtime(REALTIME_PRIORITY);
  if (!realtime.ok) log.warn({ reason: realtime.reason }, 'no real-time scheduling: under load the lease may be renewed late and move');
  let { mac } = link;
  return {
    endpoint,
    neighbors: onLink ? neighbors : undefined,
    link,
    interfaces: [...new Set([link.name, self.interfaceName])],
    get mac() {
      return mac;
    },
    gate: endpoint.enforced ? (dsr === undefined ? 'passing' : 'steering') : null,
    weaker: endpoint.weakness,
    choice,
    steering: dsr,
    stations: dsrOptions.stations,
    realtime: realtime.ok,
    restarted,
    reconcile() {
      const now = linkByName(link.name).mac;
      if (now !== mac) followMac({ mac: now, neighbors, self });
      mac = now;
      return [...endpoint.reconcile(mac), ...serve()];
    },
    close: () => {
      if (!onLink) neighbors.close();
      close(endpoint, { dsr, left: choice.datapath === 'ipvs' ? addresses : [], log });
      const removed = virtualMac?.close();
      if (removed?.ok === false) log.error({ reason: removed.reason }, 'the interface of the virtual MAC address could not be removed');
    },
  };
}

function virtualMacOf({ election, vrrp, name, endpoint }: Cluster, interfaceName: string): VirtualMac | undefined {
  if (election !== 'vrrp' || !vrrp.virtualMac) return undefined;
  const id = virtualRouterId({ name, chosen: vrrp.virtualRouterId });
  return openVirtualMac({ parent: linkByName(interfaceName), virtualRouterId: id, family: familyOf(endpoint.addresses[0] as string) });
}

function dsrOptionsOf({ cluster, self, link }: { cluster: Cluster; self: Self; link: Link }): DsrOptions {
  const { hosts } = cluster.controlPlane;
  // An agent that starts anew serves connections at once, before it hears the others.
  const known = neighborMacs(link.index);
  const stations = hosts.map(({ addresses }) => addresses.map(({ address }) => known.get(address)).find((mac) => mac !== undefined));
  return {
    interfaceName: link.name,
    addresses: cluster.endpoint.addresses,
    port: cluster.endpoint.port,
    backends: hosts.length,
    self: self.index,
    stations: stations.map((mac, index) => (index === self.index ? link.mac : mac)),
  };
}

/** Only for the kernel to look at. */
function natScript({ endpoint }: Cluster): string {
  const frontends = endpoint.addresses.map((address) => ({ address, port: endpoint.port }));
  return natRuleset({ frontends, own: [], masquerade: true, slots: { 4: [], 6: [] } });
}

/** With dsr and ipvs the address is on this host whether or not it holds it; otherwise nothing of that may be left from an earlier run. */
function serveOrNot(options: { onEveryHost: boolean; link: Link; addresses: readonly string[]; log: Log }): string[] {
  const { onEveryHost, link, addresses, log } = options;
  if (!onEveryHost) {
    const down = takeDownServing(addresses).effect;
    if (!down.ok) log.error({ reason: down.reason }, 'leftover of an earlier run not removed');
    return [];
  }
  const { missing, problems } = putUpServing({ interfaceName: link.name, addresses });
  for (const reason of problems) log.warn({ reason }, 'this host may not serve the address, or answer for it unasked');
  return missing;
}

/** Others must learn the new MAC of this host's own addresses as well. */
function followMac(options: { mac: string; neighbors: LinuxNeighbors; self: Self }): void {
  const { mac, neighbors, self } = options;
  neighbors.setMac(mac);
  for (const { address } of self.host.addresses) neighbors.announce(address);
}

interface Closing {
  dsr: DsrTable | undefined;
  /** Addresses on `lo` that are of no use without an agent: with dsr connections go on, with ipvs this host's own would end at its own API server. */
  left: readonly string[];
  log: Log;
}

function close(endpoint: LinuxEndpoint, { dsr, left, log }: Closing): void {
  const closed = endpoint.close();
  dsr?.close();
  const down = takeDownServing(left).effect;
  if (!down.ok) log.error({ reason: down.reason }, 'the address could not be removed from lo');
  if (!closed.ok) log.error({ reason: closed.reason }, 'the gate could not be taken down');
}
