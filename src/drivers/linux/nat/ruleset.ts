/**
 * The nftables table `inet hale_nat`: connections to the address get the address and port of a backend (DNAT), and, unless told
 * otherwise, this host's own as their source, so that the answers come back this way.
 *
 * A new connection takes the next of 60 slots, each of which holds a backend; 1 to 6 backends share 60 evenly. Only a host that has the
 * address translates, for clients and for its own processes. Chains of type nat see a connection's first packet alone; what follows is
 * translated by conntrack, whatever becomes of the rules.
 */
import { familyOf, parseIp } from '../../../base/address.ts';

export const NAT_TABLE = 'hale_nat';
export const SLOTS = 60;
export const NAT_CHAINS: readonly string[] = [
  'balance',
  'untracked',
  'prerouting',
  'prerouting_again',
  'output',
  'output_again',
  'postrouting',
];
export const NAT_MAPS: readonly string[] = ['backends4', 'backends6'];

export interface Socket {
  address: string;
  port: number;
}

export interface NatRules {
  frontends: readonly Socket[];
  /** This host's own addresses, at most one of each family, which connections get as their source. */
  own: readonly string[];
  /** Whether clients' connections get it too, or only those of this host's own processes. */
  masquerade: boolean;
  /** What the slots hold, one list for each family. */
  slots: { 4: readonly Socket[]; 6: readonly Socket[] };
}

/** A leftover table is replaced at one instant; connections under way are not touched. */
export function natRuleset(rules: NatRules): string {
  const { frontends } = rules;
  return `table inet ${NAT_TABLE}
delete table inet ${NAT_TABLE}
table inet ${NAT_TABLE} {
  counter connections4 {
  }
  counter connections6 {
  }
  ${slotsMap(4, rules)}
  ${slotsMap(6, rules)}
  chain balance {
    ${lines(frontends.flatMap(translateRules))}
  }
  chain untracked {
    type filter hook output priority raw; policy accept;
    ${lines(frontends.map(untrackedRule))}
  }
  ${translatingChains('prerouting', frontends)}
  ${translatingChains('output', frontends)}
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ${lines(frontends.flatMap((frontend) => sourceRule(frontend, rules)))}
  }
}
`;
}

/** What the kernel keeps as key and value of a slot: the number in host order; the address, and the port filled up to four bytes. */
export function slotElement(slot: number, { address, port }: Socket): { key: Uint8Array; data: Uint8Array } {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(slot);
  return { key, data: Buffer.concat([parseIp(address) as Uint8Array, Uint8Array.of(port >> 8, port & 0xff, 0, 0)]) };
}

export function versionOf(address: string): 4 | 6 {
  return familyOf(address) === 'IPv4' ? 4 : 6;
}

const lines = (rules: readonly string[]): string => rules.join('\n    ');
const ipOf = (address: string): string => (versionOf(address) === 4 ? 'ip' : 'ip6');

function slotsMap(version: 4 | 6, { slots }: NatRules): string {
  const elements = slots[version].map(({ address, port }, slot) => `${slot} : ${address} . ${port}`);
  const ip = version === 4 ? 'ip' : 'ip6';
  return `map backends${version} {
    typeof numgen inc mod ${SLOTS} : ${ip} daddr . tcp dport
    size ${SLOTS}
    ${elements.length > 0 ? `elements = { ${elements.join(', ')} }` : ''}
  }`;
}

function jumpRule({ address, port }: Socket): string {
  return `${ipOf(address)} daddr ${address} tcp dport ${port} fib daddr type local counter name connections${versionOf(address)} jump balance`;
}

/**
 * Two in a row: while the table is replaced, a packet can pass the new first chain a moment before the change and the old one a moment
 * after it, neither of which translates then; the second one does. What is translated already passes it by.
 */
function translatingChains(hook: 'prerouting' | 'output', frontends: readonly Socket[]): string {
  const chain = (name: string, priority: number) => `chain ${name} {
    type nat hook ${hook} priority ${priority}; policy accept;
    ${lines(frontends.map(jumpRule))}
  }`;
  return `${chain(hook, -100)}\n  ${chain(`${hook}_again`, -99)}`;
}

/**
 * In the address's name this host itself sends no more than prods and resets. Conntrack would take them for connections that began
 * here, and leave a client's next one from the same port untranslated.
 */
function untrackedRule({ address, port }: Socket): string {
  return `${ipOf(address)} saddr ${address} tcp sport ${port} notrack`;
}

/** Twice: a look-up that runs while the elements change can miss both the old one and the new one. */
function translateRules({ address }: Socket): string[] {
  const rule = `dnat ${ipOf(address)} to numgen inc mod ${SLOTS} map @backends${versionOf(address)}`;
  return [rule, rule].map((text) => `${ipOf(address)} daddr ${address} meta l4proto tcp ${text}`);
}

/** Over lo, both ends are this host, and each finds the way back. */
function sourceRule({ address, port }: Socket, { own, masquerade }: NatRules): string[] {
  const ip = ipOf(address);
  const source = own.find((candidate) => versionOf(candidate) === versionOf(address));
  if (source === undefined) return [];
  const whose = masquerade ? '' : 'fib saddr type local ';
  return [
    `meta l4proto tcp ct status dnat ct original ${ip} daddr ${address} ct original proto-dst ${port} oifname != "lo" ${whose}snat ${ip} to ${source}`,
  ];
}
