import type { Explanation } from '../../ports/datapath.ts';
import { deadlineFilters } from './bpf/clsact.ts';
import { listAddresses } from './links.ts';
import { NETLINK_ROUTE, openNetlink } from './netlink.ts';
import { listText } from './nft-program.ts';
import { TABLE } from './ruleset.ts';

export interface GateQuery {
  linkIndex: number;
  interfaceName: string;
  addresses: readonly string[];
}

/** What lets this host answer for the address now, read without an agent; undefined when there is no gate. Runs the nft program once. */
export function explainGate({ linkIndex, interfaceName, addresses }: GateQuery): Explanation | undefined {
  const listed = listText(['list', 'table', 'netdev', TABLE]);
  if (!listed.ok) return undefined;
  const sets = readSets(listed.text);
  const here = listAddresses(linkIndex).map(({ address }) => address);
  const route = openNetlink(NETLINK_ROUTE);
  const deadline = deadlineFilters(route, linkIndex);
  route.close();
  const locks = (['ingress', 'egress'] as const).filter((direction) => deadline[direction]);
  return {
    part: 'gate',
    says: [
      locks.length === 0
        ? `no deadline at tc of ${interfaceName}: nftables alone ends the lease`
        : `at tc ${locks.join(' and ')} of ${interfaceName} a program of hale drops what is for the address or from it once the lease is over`,
      ...addresses.map((address) => leaseWords(address, sets, here.includes(address))),
      ...handoverWords(sets),
    ],
    counters: [],
    problems: [],
  };
}

function leaseWords(address: string, sets: ReadonlyMap<string, string>, isHere: boolean): string {
  const family = address.includes(':') ? 6 : 4;
  const left = expiryOf(sets.get(`lease${family}`) ?? '', address);
  const on = isHere ? 'it is on the interface' : 'it is not on the interface';
  const except = sets.has('opening') ? ', except what the holder steers here,' : '';
  if (left === undefined) return `${address}: packets, ARP and NDP for it are dropped${except} because no lease runs here; ${on}`;
  return `${address}: answered for; the kernel ends that in ${left} unless the lease is renewed; ${on}`;
}

/** Elements of a set by its name, as nft prints them. */
function readSets(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/(?:set|map) (\w+) \{([^}]*(?:\{[^}]*\})?)/g)].map(([, name, body]) => [name as string, body as string]),
  );
}

function expiryOf(body: string, address: string): string | undefined {
  const element = body.split(/[{,]/).find((part) => part.trim().split(' ')[0] === address);
  return element && /expires (\S+)/.exec(element)?.[1];
}

function handoverWords(sets: ReadonlyMap<string, string>): string[] {
  const holds = (name: string) => [4, 6].some((family) => /elements = /.test(sets.get(`${name}${family}`) ?? ''));
  const yielding = sets.has('opening')
    ? 'a hand-over runs: until its time is over this host steers what clients still send it'
    : 'a hand-over runs: connections of this host stay until its time is over, new ones are passed on to the next holder';
  return [
    ...(holds('yielding') ? [yielding] : []),
    ...(holds('inheriting')
      ? ['a hand-over runs: packets of connections that did not begin here are passed back to the holder before']
      : []),
  ];
}

/** Whether this process may ask the kernel for its tables. */
export function mayAskKernel(): { ok: true } | { ok: false; reason: string } {
  const listed = listText(['list', 'tables']);
  return listed.ok ? { ok: true } : { ok: false, reason: listed.reason };
}
