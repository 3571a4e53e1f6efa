/**
 * The nftables table `netdev hale` with direct server return. Every host has the address on `lo`, so each can serve any connection; this
 * table decides which packets get that far.
 *
 * Incoming. Frames from another member were steered here by the holder: served, never steered again, so that none goes in circles. All
 * others are for the holder: while the lease runs, or for the grace time of a hand-over (`yielding`), they are steered; otherwise
 * dropped, be it from a client whose ARP entry is stale. ARP and NDP follow the lease alone.
 *
 * Steering. The slot of a client (core/balancer/slots.ts) leads to the chain of a backend, which rewrites the frame's MAC addresses and
 * sends it back onto the link; that of this host accepts. `exceptions` come first, also for a SYN: a client that uses a port again must
 * not meet two backends. A SYN goes by `opening`, everything else by `established`; a connection whose SYN was seen while the two differ
 * (`learning`) is remembered in `opened`. ICMP errors about a connection (RFC 1191, RFC 4443) tell no slot that nftables could
 * compute, so every backend gets a copy, and all but one ignore it.
 *
 * Outgoing. Every host answers in the address's name from its port; nothing else leaves in its name without the lease.
 */
import type { Masks } from '../../../core/balancer/steering.ts';
import { assignSlots, SEED, slotCount } from '../../../core/balancer/slots.ts';
import { TABLE } from '../ruleset.ts';
import { hookOf, neighborGate, outgoingGate, toAddress } from '../ruleset.ts';

/** How long a connection is remembered after its SYN: longer than a change of the masks lasts. */
const OPENED_FOR_S = 10;
const OPENED_MAX = 65_535;
const OPENS = 'tcp flags & (fin | syn | rst | ack) == syn';

export interface SteeringRulesetOptions {
  interfaceName: string;
  /** The interface's own, which frames that are steered carry as their source. */
  mac: string;
  addresses: readonly string[];
  port: number;
  /** How many backends, and which of them is this host. */
  backends: number;
  self: number;
  outgoing: boolean;
  /** What the table holds from its first moment on. */
  masks: Masks;
  stations: readonly (string | undefined)[];
}

/** Three statements, one transaction: declaring the table first lets the deletion succeed when there is none. */
export function steeringRuleset(options: SteeringRulesetOptions): string {
  const { addresses, backends, masks, outgoing, interfaceName, port } = options;
  const others = range(backends).filter((backend) => backend !== options.self);
  const rules = (of: (address: string) => string[]) => addresses.flatMap(of).join('\n    ');
  return `table netdev ${TABLE}
delete table netdev ${TABLE}
table netdev ${TABLE} {
  set target6 { typeof @th,64,128; flags timeout; }
  set members { type ether_addr; ${elements(memberElements(options))} }
  set learning { type ether_type; ${elements(masks.opening === masks.established ? [] : ['ip', 'ip6'])} }
  ${others.map((backend) => `map station${backend} { type ether_type : ether_addr; ${elements(stationElements(options, backend))} }`).join('\n  ')}
  ${range(backends)
    .map((backend) => backendChain(options, backend))
    .join('\n  ')}
  map opening { typeof numgen inc mod 2 : verdict; ${elements(slotElements(backends, masks.opening))} }
  map established { typeof numgen inc mod 2 : verdict; ${elements(slotElements(backends, masks.established))} }
  chain everyone {
    ${others.map((backend) => `${rewrite(options, backend)} dup to "${interfaceName}"`).join('\n    ')}
    accept
  }
  ${familyPart(4, options)}
  ${familyPart(6, options)}
  chain incoming {
    ${hookOf('ingress', interfaceName)}
    ${rules(neighborGate)}
    ${rules(toAddress)}
  }
  ${outgoing ? `chain outgoing {\n    ${hookOf('egress', interfaceName)}\n    ${rules((address) => [`${address.includes(':') ? 'ip6' : 'ip'} saddr ${address} tcp sport ${port} accept`, ...outgoingGate(address)])}\n  }` : ''}
}
`;
}

/** Maps, sets and chains of one family. */
function familyPart(family: 4 | 6, { port, backends }: SteeringRulesetOptions): string {
  const type = `ipv${family}_addr`;
  const ip = family === 4 ? 'ip' : 'ip6';
  const flow = `${ip} saddr . tcp sport`;
  const slot = `jhash ${flow} mod ${slotCount(backends)} seed 0x${SEED.toString(16)}`;
  const error = family === 4 ? 'icmp type destination-unreachable' : 'icmpv6 type { destination-unreachable, packet-too-big }';
  return `set lease${family} { type ${type}; flags timeout; }
  set yielding${family} { type ${type}; flags timeout; }
  set opened${family} { type ${type} . inet_service; size ${OPENED_MAX}; flags dynamic,timeout; timeout ${OPENED_FOR_S}s; }
  map exceptions${family} { type ${type} . inet_service : verdict; }
  chain opens${family} {
    ether type @learning update @opened${family} { ${flow} }
    ${slot} vmap @opening
    accept
  }
  chain steer${family} {
    ${error} goto everyone
    tcp dport != ${port} accept
    meta l4proto != tcp accept
    ${flow} vmap @exceptions${family}
    ${OPENS} goto opens${family}
    ${flow} @opened${family} ${slot} vmap @opening
    ${slot} vmap @established
    accept
  }
  chain to${family} {
    ether saddr @members counter accept
    ${ip} daddr @lease${family} goto steer${family}
    ${ip} daddr @yielding${family} goto steer${family}
    drop
  }`;
}

function backendChain(options: SteeringRulesetOptions, backend: number): string {
  const act = backend === options.self ? 'accept' : `${rewrite(options, backend)} fwd to "${options.interfaceName}"`;
  return `chain ${chainOf(backend)} {\n    counter ${act}\n  }`;
}

function rewrite({ mac }: SteeringRulesetOptions, backend: number): string {
  return `ether saddr set ${mac} ether daddr set ether type map @station${backend}`;
}

export function chainOf(backend: number): string {
  return `backend${backend}`;
}

function slotElements(backends: number, mask: number): string[] {
  return assignSlots(backends, mask).flatMap((backend, slot) => (backend === undefined ? [] : [`${slot} : goto ${chainOf(backend)}`]));
}

function stationElements({ stations }: SteeringRulesetOptions, backend: number): string[] {
  const mac = stations[backend];
  return mac === undefined ? [] : [`ip : ${mac}`, `ip6 : ${mac}`];
}

function memberElements({ stations, self }: SteeringRulesetOptions): string[] {
  return [...new Set(stations.filter((mac, backend) => mac !== undefined && backend !== self) as string[])];
}

function elements(list: readonly string[]): string {
  return list.length === 0 ? '' : `elements = { ${list.join(', ')} }`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
