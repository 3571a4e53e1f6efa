/** The interface that has VRRP's virtual MAC address (RFC 9568 section 7.3). */
import type { Family } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Effect } from '../../ports/effect.ts';
import { type Link, linkByName } from './links.ts';
import { addMacvlan, removeLink, setLinkUp } from './macvlan.ts';
import { overrideSysctl } from './sysctl.ts';

/** How the names of these interfaces begin. */
export const VIRTUAL_MAC_LINK = 'hale-vrrp';

/** Name of the interface. */
export function virtualMacLink(virtualRouterId: number): string {
  return `${VIRTUAL_MAC_LINK}${virtualRouterId}`;
}

/** 00-00-5E-00-01-{VRID} for IPv4, 00-00-5E-00-02-{VRID} for IPv6. */
function virtualMac({ virtualRouterId, family }: { virtualRouterId: number; family: Family }): string {
  return `00:00:5e:00:0${family === 'IPv4' ? 1 : 2}:${virtualRouterId.toString(16).padStart(2, '0')}`;
}

export interface VirtualMac {
  link: Link;
  close(): Effect;
}

/** Makes the interface anew, on `parent`, which then answers for its own addresses only. Throws HaleError `virtual_mac_refused`. */
export function openVirtualMac({ parent, virtualRouterId, family }: { parent: Link; virtualRouterId: number; family: Family }): VirtualMac {
  const name = virtualMacLink(virtualRouterId);
  const mac = virtualMac({ virtualRouterId, family });
  const demand = (effect: Effect): void => {
    if (effect.ok) return;
    removeLink(name);
    throw new HaleError({
      code: 'virtual_mac_refused',
      kind: 'world',
      message: `vrrp.virtualMac: ${effect.reason}`,
      remedy: 'Load the kernel module macvlan on an interface that may have several MAC addresses, or remove virtualMac from cluster.yaml.',
    });
  };
  demand(addMacvlan({ name, mac, parentIndex: parent.index }));
  // In the virtual MAC's name nobody but the active router may speak, not even to find its own addresses (RFC 9568 section 8.2.3).
  demand(overrideSysctl(`net/ipv6/conf/${name}/addr_gen_mode`, '1'));
  for (const [key, value] of [
    [`net/ipv4/conf/${name}/rp_filter`, '0'],
    [`net/ipv4/conf/${name}/accept_local`, '1'],
    [`net/ipv4/conf/${name}/arp_ignore`, '1'],
  ] as const)
    demand(overrideSysctl(key, value));
  const answers = overrideSysctl(`net/ipv4/conf/${parent.name}/arp_ignore`, '1');
  demand(answers);
  demand(setLinkUp(name));
  return {
    link: linkByName(name),
    close() {
      if (answers.ok) answers.restore();
      return removeLink(name);
    },
  };
}
