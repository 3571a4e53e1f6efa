/**
 * What makes a host serve the address without holding it: the address on `lo`, where neither ARP nor NDP answers for it, and the
 * interface's parameters for that (Documentation/networking/ip-sysctl.rst). It outlives the agent, as connections do.
 */
import { done, type Effect } from '../../../ports/effect.ts';
import { openAddresses } from '../addresses.ts';
import { listAddresses } from '../links.ts';
import { overrideSysctl } from '../sysctl.ts';

/** The kernel makes it first in every network namespace (include/uapi/linux/if.h, LOOPBACK_IFINDEX). */
export const LOOPBACK = 1;
/** An address of another interface is not answered for, and never the source of a question. */
const PARAMETERS = { arp_ignore: '1', arp_announce: '2' } as const;

export interface ServingOptions {
  interfaceName: string;
  addresses: readonly string[];
}

/** Puts it up where it is missing; says what was. An interface that refuses a parameter is one on which others may find the address: a problem, in words. */
export function putUpServing({ interfaceName, addresses }: ServingOptions): { missing: string[]; problems: string[] } {
  const there = onLoopback();
  const missing = addresses.filter((address) => !there.has(address));
  const problems: string[] = [];
  // Before the address, which the interface would answer for otherwise.
  for (const [name, value] of Object.entries(PARAMETERS)) {
    const set = overrideSysctl(`net/ipv4/conf/${interfaceName}/${name}`, value);
    if (!set.ok) problems.push(set.reason);
  }
  if (missing.length > 0) {
    const driver = openAddresses();
    for (const address of missing) {
      const added = driver.add({ linkIndex: LOOPBACK, address });
      if (!added.ok) problems.push(added.reason);
    }
    driver.close();
  }
  return { missing: missing.map((address) => `${address} was not on lo: put there`), problems };
}

/** Success when there is nothing to take down. The parameters stay: nobody knows by now what they were. */
export function takeDownServing(addresses: readonly string[]): { effect: Effect; removed: string[] } {
  const there = onLoopback();
  const removed = addresses.filter((address) => there.has(address));
  if (removed.length === 0) return { effect: done, removed };
  const driver = openAddresses();
  const effects = removed.map((address) => driver.remove({ linkIndex: LOOPBACK, address }));
  driver.close();
  return { effect: effects.find((effect) => !effect.ok) ?? done, removed };
}

/** Addresses on `lo`. */
export function onLoopback(): Set<string> {
  return new Set(
    listAddresses()
      .filter(({ linkIndex }) => linkIndex === LOOPBACK)
      .map(({ address }) => address),
  );
}
