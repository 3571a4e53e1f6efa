/** What of a host's network stands in the way of the address, and the line that mends it. Facts in, problems out. */
import { familyOf } from '../../base/address.ts';
import { firewallObstacles, type Obstacle } from './firewall.ts';

export interface InterfaceFacts {
  name: string;
  /** The stricter of `all` and the interface's own, as the kernel takes them (Documentation/networking/ip-sysctl.rst). */
  arpIgnore: number;
  arpAnnounce: number;
}

export interface NetworkFacts {
  /** The interface that carries the address. */
  interfaceName: string;
  /** 0 off, 1 strict, 2 loose: the higher of `all` and the interface's own. */
  rpFilter: number;
  /** By which interface packets leave, to members and to somewhere off the link; null: there is no route. */
  routes: readonly { to: string; by: string | null }[];
  /** Whether packets that come in there are passed on. */
  forwarding: { 4: boolean; 6: boolean };
  /** Other interfaces that are up and ask and answer by ARP. */
  others: readonly InterfaceFacts[];
  /** Large receive offload; null: not known. */
  lro: boolean | null;
  mtu: number;
  /** What `nft -j list ruleset` prints; null where nft cannot be asked. */
  ruleset: unknown;
  /** hale's programs at tc; null where no gate is. */
  deadline: { ingress: boolean; egress: boolean } | null;
}

/** What the address needs, by how this host serves it. */
export interface Needs {
  addresses: readonly string[];
  port: number;
  /** Backends that the holder translates to (nat). Empty: nothing is passed on by this host's routing. */
  translatedTo: readonly { address: string; port: number }[];
  /** The address is on `lo` of this host (dsr). */
  onLoopback: boolean;
  /** Of the other members' interfaces, as far as known. */
  memberMtus: readonly { name: string; mtu: number }[];
}

/** In the order in which a packet meets them. */
export function findObstacles(facts: NetworkFacts, needs: Needs): Obstacle[] {
  return [
    ...deadlineObstacles(facts),
    ...linkObstacles(facts, needs),
    ...arpObstacles(facts, needs),
    ...routeObstacles(facts, needs),
    ...forwardingObstacles(facts, needs),
    ...allFirewallObstacles(facts, needs),
  ];
}

function deadlineObstacles({ deadline, interfaceName }: NetworkFacts): Obstacle[] {
  if (deadline === null) return [];
  return (['ingress', 'egress'] as const)
    .filter((direction) => !deadline[direction])
    .map((direction) => ({
      what: `hale's deadline is not at tc ${direction} of ${interfaceName}: nftables alone ends the lease, and after a suspension this host may answer for what was left of it`,
      fix: 'systemctl restart hale-agent',
    }));
}

function linkObstacles({ interfaceName, lro, mtu }: NetworkFacts, { memberMtus, translatedTo, onLoopback }: Needs): Obstacle[] {
  const passesOn = onLoopback || translatedTo.length > 0;
  const merged = lro === true && passesOn;
  return [
    ...(merged
      ? [
          {
            what: `large receive offload is on at ${interfaceName}: packets that it has merged cannot be passed on`,
            fix: `ethtool -K ${interfaceName} lro off`,
          },
        ]
      : []),
    ...memberMtus
      .filter((member) => member.mtu !== mtu)
      .map((member) => ({
        what: `the MTU of ${interfaceName} is ${mtu}, that of ${member.name} is ${member.mtu}: packets between them can be lost`,
        fix: `ip link set ${interfaceName} mtu ${member.mtu}`,
      })),
  ];
}

function arpObstacles({ others }: NetworkFacts, { onLoopback, addresses }: Needs): Obstacle[] {
  const address = addresses.find((one) => familyOf(one) === 'IPv4');
  if (!onLoopback || address === undefined) return [];
  return others.flatMap(({ name, arpIgnore, arpAnnounce }) => [
    ...(arpIgnore === 0
      ? [
          {
            what: `${name} answers ARP for ${address}, which is on lo, whether or not this host holds it (arp_ignore 0)`,
            fix: `sysctl -w net.ipv4.conf.${name}.arp_ignore=1`,
          },
        ]
      : []),
    ...(arpAnnounce < 2
      ? [
          {
            what: `${name} may ask for neighbours in the name of ${address} (arp_announce ${arpAnnounce})`,
            fix: `sysctl -w net.ipv4.conf.${name}.arp_announce=2`,
          },
        ]
      : []),
  ]);
}

function routeObstacles({ routes, rpFilter, interfaceName }: NetworkFacts, { addresses }: Needs): Obstacle[] {
  const has4 = addresses.some((address) => familyOf(address) === 'IPv4');
  if (rpFilter !== 1 || !has4) return [];
  const elsewhere = routes.filter(({ to, by }) => familyOf(to) === 'IPv4' && by !== null && by !== interfaceName && by !== 'lo');
  return elsewhere.slice(0, 1).map(({ to, by }) => ({
    what: `${interfaceName} drops packets from ${to} and others that this host would answer by ${by} (rp_filter strict)`,
    fix: `sysctl -w net.ipv4.conf.${interfaceName}.rp_filter=2`,
  }));
}

function forwardingObstacles({ forwarding, interfaceName }: NetworkFacts, { translatedTo }: Needs): Obstacle[] {
  const isUsed = (family: string) => translatedTo.some(({ address }) => familyOf(address) === family);
  return [
    ...(isUsed('IPv4') && !forwarding[4]
      ? [
          {
            what: `packets that come in at ${interfaceName} are not passed on to other hosts (forwarding 0)`,
            fix: `sysctl -w net.ipv4.conf.${interfaceName}.forwarding=1`,
          },
        ]
      : []),
    ...(isUsed('IPv6') && !forwarding[6]
      ? [{ what: 'IPv6 packets are not passed on to other hosts (forwarding 0)', fix: 'sysctl -w net.ipv6.conf.all.forwarding=1' }]
      : []),
  ];
}

function allFirewallObstacles({ ruleset, interfaceName }: NetworkFacts, { addresses, port, translatedTo }: Needs): Obstacle[] {
  const before = addresses.flatMap((address) =>
    (['ingress', 'prerouting'] as const).map((hook) => ({ hook, address, port, interfaceName })),
  );
  const after =
    translatedTo.length > 0
      ? translatedTo.map((backend) => ({ hook: 'forward' as const, ...backend, interfaceName }))
      : addresses.map((address) => ({ hook: 'input' as const, address, port, interfaceName }));
  return [...before, ...after].flatMap((arrival) => firewallObstacles(ruleset, arrival));
}

/** What the firmware says of the machine (/sys/class/dmi/id); empty where it says nothing. */
export interface MachineFacts {
  vendor: string;
  product: string;
  assetTag: string;
  biosVersion: string;
}

const CLOUDS: readonly { name: string; is: (machine: MachineFacts) => boolean }[] = [
  { name: 'Amazon EC2', is: ({ vendor, biosVersion }) => vendor === 'Amazon EC2' || /amazon$/i.test(biosVersion) },
  { name: 'Google Cloud', is: ({ product }) => product === 'Google Compute Engine' },
  // Hyper-V elsewhere has the same vendor; the tag is Azure's alone.
  { name: 'Microsoft Azure', is: ({ assetTag }) => assetTag === '7783-7084-3265-9085-8269-3286-77' },
  { name: 'OpenStack', is: ({ vendor, product }) => [vendor, product].some((text) => text.startsWith('OpenStack')) },
  { name: 'Oracle Cloud', is: ({ assetTag }) => assetTag === 'OracleCloud.com' },
  { name: 'Alibaba Cloud', is: ({ vendor }) => vendor === 'Alibaba Cloud' },
  { name: 'Tencent Cloud', is: ({ vendor }) => vendor === 'Tencent Cloud' },
  { name: 'DigitalOcean', is: ({ vendor }) => vendor === 'DigitalOcean' },
  { name: 'Hetzner Cloud', is: ({ vendor, product }) => vendor === 'Hetzner' && product === 'vServer' },
];

/**
 * The cloud that the machine runs in, undefined elsewhere. Their networks commonly deliver only what is for the machine's own MAC and
 * address, and ignore gratuitous ARP: no address moves there by ARP alone, and no frame gets another MAC.
 */
export function cloudOf(machine: MachineFacts): string | undefined {
  return CLOUDS.find(({ is }) => is(machine))?.name;
}
