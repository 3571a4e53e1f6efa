import { removeLeftGate } from '../drivers/linux/left-gate.ts';
import { putUpServing, takeDownServing } from '../drivers/linux/dsr/serving.ts';
import { becomeRealtime } from '../drivers/linux/scheduling.ts';
import { done } from '../ports/effect.ts';
import { type ChosenHostOptions, REALTIME_PRIORITY } from './host.ts';
import type { Host } from './world.ts';

/** This machine where routers find the address: it is on `lo` of every host for as long as the agent runs, and no neighbour is told of it. */
export function openRoutedHost({ cluster, log, link, choice }: ChosenHostOptions): Host {
  const { addresses } = cluster.endpoint;
  const serve = (): string[] => {
    const { missing, problems } = putUpServing({ interfaceName: link.name, addresses });
    for (const reason of problems) log.warn({ reason }, 'this host may not serve the address, or answer for it unasked');
    return missing;
  };
  const gate = removeLeftGate().effect;
  if (!gate.ok) log.error({ reason: gate.reason }, 'leftover of an earlier run not removed');
  const restarted = serve().length === 0;
  const realtime = becomeRealtime(REALTIME_PRIORITY);
  if (!realtime.ok) log.warn({ reason: realtime.reason }, 'no real-time scheduling: under load sessions with routers may be lost');
  return {
    // Nobody is told by ARP or NDP; whether the address is served depends on routes alone.
    endpoint: { hold: () => done, withdraw: () => done, yieldTo: () => done, prepare: () => done, announce: () => {} },
    neighbors: undefined,
    link,
    interfaces: [link.name],
    mac: link.mac,
    gate: null,
    weaker: 'connections that reach another host when paths change are reset; only datapath dsr, on one link, carries them on',
    choice,
    steering: undefined,
    stations: [],
    realtime: realtime.ok,
    restarted,
    reconcile: serve,
    close() {
      const down = takeDownServing(addresses).effect;
      if (!down.ok) log.error({ reason: down.reason }, 'the address could not be removed from lo');
    },
  };
}
