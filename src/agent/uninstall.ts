import { HaleError } from '../base/error.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { takeDownServing } from '../drivers/linux/dsr/serving.ts';
import { removeLeftGate } from '../drivers/linux/left-gate.ts';
import { listLinks } from '../drivers/linux/links.ts';
import { removeLink } from '../drivers/linux/macvlan.ts';
import { TABLE } from '../drivers/linux/ruleset.ts';
import { removeSteering } from '../drivers/linux/socket/steering.ts';
import { VIRTUAL_MAC_LINK } from '../drivers/linux/virtual-mac.ts';
import { CONTROL_SOCKET } from '../ports/control.ts';
import { refuseIfRunning } from './control.ts';

/**
 * Removes what hale leaves in this machine's kernel on purpose, and names it; without a cluster description, only what can be told without it.
 * Throws HaleError `agent_running`, `uninstall_refused`.
 */
export async function uninstall(cluster: Cluster | undefined): Promise<string[]> {
  await refuseIfRunning(CONTROL_SOCKET);
  const steering = removeSteering({});
  if (!steering.ok) throw refused(`the programs that steer connections could not be removed: ${steering.reason}`);
  return [...steering.removed, ...(cluster === undefined ? [] : removeServing(cluster.endpoint.addresses))];
}

/** With datapath dsr: the gate first, or the address would be on this host without it. */
function removeServing(addresses: readonly string[]): string[] {
  const down = takeDownServing(addresses);
  if (!down.effect.ok) throw refused(down.effect.reason);
  const removed = down.removed.map((address) => `${address} on lo`);
  const gate = removeLeftGate();
  if (!gate.effect.ok) throw refused(gate.effect.reason);
  if (gate.hadTable) removed.push(`the nftables table netdev ${TABLE}`);
  return [...removed, ...removeVirtualMac()];
}

/** Of `vrrp.virtualMac`, whose agent was killed. */
function removeVirtualMac(): string[] {
  return listLinks()
    .filter(({ name }) => name.startsWith(VIRTUAL_MAC_LINK))
    .map(({ name }) => {
      const removed = removeLink(name);
      if (!removed.ok) throw refused(removed.reason);
      return `the interface ${name}`;
    });
}

function refused(message: string): HaleError {
  const remedy = 'run it as root, outside containers; a restart of the machine removes all of it, too';
  return new HaleError({ code: 'uninstall_refused', kind: 'world', message, remedy });
}
