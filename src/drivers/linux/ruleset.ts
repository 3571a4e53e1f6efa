/**
 * The nftables table `netdev hale`: what lets this host, and for a moment two hosts of a hand-over together, serve the address.
 *
 * Incoming. Packets to the address, ARP requests and neighbour solicitations for it are dropped unless the lease runs (sets lease4, lease6,
 * target6). An ARP announcement is let in although it asks for the address: the kernel answers none of those, and this host must hear who
 * else claims it.
 *
 * Outgoing. Nothing with the address as its source leaves unless the lease runs: connections that a stale holder still has open would make
 * its kernel send ARP requests in the address's name, which move the neighbours' entries back to it.
 *
 * Hand-over, for a grace time. The old holder serves the connections that it has (`yielding`) and passes new ones to the successor's MAC
 * (`successor`). The new holder serves what the old one passes on (`partner`), and the rest of these connections, before its own lease
 * begins, so that no connection attempt is lost in between; and it passes packets of connections that did not begin with it back to the old one (`inheriting`, `predecessor`).
 * `moved` remembers, on both, the connections that began with the successor. Every element carries a timeout, so a process that dies
 * leaves nothing that lasts.
 */
import { ipBytes } from '../../base/address.ts';
import type { GateTable } from './gate.ts';

export const TABLE = 'hale';
/** How long `moved` remembers a connection after its first packet; longer than any grace time. */
const MOVED_FOR_S = 10;
const MOVED_MAX = 65_535;

export interface RulesetOptions {
  interfaceName: string;
  /** The interface's own, which frames that are passed on carry as their source. */
  mac: string;
  addresses: readonly string[];
  /** Whether the kernel and nft have the egress hook (Linux 5.16, nft 1.0.1). */
  outgoing: boolean;
}

/** For connections that end on the host that holds the address. */
export function passingTable(options: Omit<RulesetOptions, 'outgoing' | 'mac'>): GateTable {
  return { kind: 'passing', script: ({ outgoing, mac }) => ruleset({ ...options, outgoing, mac }) };
}

/** Three statements, one transaction: declaring the table first lets the deletion succeed when there is none. */
function ruleset(options: RulesetOptions): string {
  const { interfaceName, addresses, outgoing } = options;
  const hook = (name: 'ingress' | 'egress') => hookOf(name, interfaceName);
  const rules = (of: (address: string) => string[]) => addresses.flatMap(of).join('\n    ');
  return `table netdev ${TABLE}
delete table netdev ${TABLE}
table netdev ${TABLE} {
  set target6 { typeof @th,64,128; flags timeout; }
  set partner { type ether_addr; flags timeout; }
  ${familyPart(4, options)}
  ${familyPart(6, options)}
  chain incoming {
    ${hook('ingress')}
    ${rules(incomingRules)}
  }
  ${outgoing ? `chain outgoing {\n    ${hook('egress')}\n    ${rules(outgoingRules)}\n  }` : ''}
}
`;
}

/** Sets and chains of one family; `to` and `from` hold one for packets to the address of a host that does not hold it, and one that does. */
function familyPart(family: 4 | 6, { interfaceName, mac }: RulesetOptions): string {
  const type = `ipv${family}_addr`;
  const ip = family === 4 ? 'ip' : 'ip6';
  const opens = 'tcp flags & (fin | syn | rst | ack) == syn';
  const flow = `${ip} saddr . tcp sport`;
  const remember = `update @moved${family} { ${flow} }`;
  const passTo = (map: string) => `ether saddr set ${mac} ether daddr set ${ip} daddr map @${map}${family} fwd to "${interfaceName}"`;
  return `set lease${family} { type ${type}; flags timeout; }
  set yielding${family} { type ${type}; flags timeout; }
  set inheriting${family} { type ${type}; flags timeout; }
  set moved${family} { type ${type} . inet_service; size ${MOVED_MAX}; flags dynamic,timeout; timeout ${MOVED_FOR_S}s; }
  map successor${family} { type ${type} : ether_addr; flags timeout; }
  map predecessor${family} { type ${type} : ether_addr; flags timeout; }
  chain holding${family} {
    ${ip} daddr != @inheriting${family} accept
    ${opens} ${remember} accept
    ${flow} @moved${family} accept
    ${passTo('predecessor')}
    accept
  }
  chain to${family} {
    ether saddr @partner ${opens} ${remember} accept
    ether saddr @partner accept
    ${ip} daddr @inheriting${family} ${flow} @moved${family} accept
    ${family === 6 ? 'ip6 daddr @inheriting6 icmpv6 type nd-neighbor-advert accept' : ''}
    ${ip} daddr @lease${family} goto holding${family}
    ${ip} daddr @inheriting${family} tcp flags & (fin | syn | rst | ack) != syn ${passTo('predecessor')}
    ${ip} daddr != @yielding${family} drop
    ${opens} ${remember} ${passTo('successor')}
    ${flow} @moved${family} ${passTo('successor')}
    accept
  }`;
}

/** Behind the filters of tc, before whatever other programs have at the usual priorities. */
export function hookOf(name: 'ingress' | 'egress', interfaceName: string): string {
  return `type filter hook ${name} device "${interfaceName}" priority -200; policy accept;`;
}

/** Drops questions for the address without the lease. */
export function neighborGate(address: string): string[] {
  const bytes = ipBytes(address);
  if (bytes.length === 4) return [`arp operation request arp saddr ip != ${address} arp daddr ip ${address} arp daddr ip != @lease4 drop`];
  // `icmpv6 taddr` came with nft 1.0.8; the target is 8 bytes into the message (RFC 4861 section 4.3). A raw field has a type of its own, hence its own set.
  const target = `@th,64,128 0x${Buffer.from(bytes).toString('hex')} @th,64,128 != @target6`;
  return [`icmpv6 type nd-neighbor-solicit ${target} drop`];
}

/** Drops what leaves in the address's name without the lease. */
export function outgoingGate(address: string): string[] {
  if (address.includes(':')) return [`ip6 saddr ${address} ip6 saddr != @lease6 drop`];
  return [`ip saddr ${address} ip saddr != @lease4 drop`, `arp saddr ip ${address} arp saddr ip != @lease4 drop`];
}

/** Not what a switch floods because it does not know where its receiver is: this hook sees that too, and would pass it on. */
export function toAddress(address: string): string[] {
  return [address.includes(':') ? `meta pkttype host ip6 daddr ${address} goto to6` : `meta pkttype host ip daddr ${address} goto to4`];
}

function incomingRules(address: string): string[] {
  return [...neighborGate(address), ...toAddress(address)];
}

/**
 * While a hand-over runs, the old holder's connections may answer, but no neighbour solicitation, which would pull the neighbours back, leaves
 * in the address's name. The next holder may say anything, and hear who
 * answers its solicitations: it has something to say only after the old one passes something on.
 */
function outgoingRules(address: string): string[] {
  const [ip, family] = address.includes(':') ? ['ip6', 6] : ['ip', 4];
  return [
    `${ip} saddr ${address} ${ip} saddr @inheriting${family} accept`,
    `${ip} saddr ${address} ${ip} saddr @yielding${family} meta l4proto tcp accept`,
    ...outgoingGate(address),
  ];
}
