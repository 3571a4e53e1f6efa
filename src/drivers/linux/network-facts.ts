/** Reads what core/balancer/obstacles.ts judges. */
import { readdirSync, readFileSync } from 'node:fs';
import { parseIp } from '../../base/address.ts';
import type { InterfaceFacts, MachineFacts, NetworkFacts } from '../../core/balancer/obstacles.ts';
import { deadlineFilters } from './bpf/clsact.ts';
import * as libc from './libc.ts';
import { linkByName } from './links.ts';
import { attribute, attributes, type Netlink, NETLINK_ROUTE, openNetlink } from './netlink.ts';
import { listRuleset } from './nft-program.ts';

const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTMSG_BYTES = 12;
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GFLAGS = 0x25;
const ETH_FLAG_LRO = 1 << 15;
const IFNAMSIZ = 16;
/** Of nobody (RFC 5737, RFC 3849): they are off every link, so they take the way of everybody far away. */
const FAR_AWAY = ['192.0.2.1', '2001:db8::1'];

export interface NetworkQuery {
  interfaceName: string;
  /** Other members. */
  members: readonly string[];
  /** Whether the gate is in place, so that its deadline can be missing. */
  gated: boolean;
}

/** Runs the nft program once. Throws HaleError `interface_not_found`. */
export function readNetworkFacts({ interfaceName, members, gated }: NetworkQuery): NetworkFacts {
  const link = linkByName(interfaceName);
  const route = openNetlink(NETLINK_ROUTE);
  const names = interfaceNames();
  const byIndex = new Map(names.map((name) => [linkByName(name).index, name]));
  const listed = listRuleset();
  const facts: NetworkFacts = {
    interfaceName,
    rpFilter: stricter(interfaceName, 'rp_filter'),
    routes: [...members, ...FAR_AWAY].map((to) => ({ to, by: byIndex.get(outgoing(route, to) ?? -1) ?? null })),
    forwarding: forwardingOf(interfaceName),
    others: names.filter((name) => name !== interfaceName).flatMap(otherInterface),
    lro: readLro(interfaceName),
    mtu: link.mtu,
    ruleset: listed.ok ? listed.ruleset : null,
    deadline: gated ? deadlineFilters(route, link.index) : null,
  };
  route.close();
  return facts;
}

/** Empty where there is no firmware that says it, as on most arm64 boards. */
export function readMachineFacts(): MachineFacts {
  const read = (name: string) => readText(`/sys/class/dmi/id/${name}`) ?? '';
  return {
    vendor: read('sys_vendor'),
    product: read('product_name'),
    assetTag: read('chassis_asset_tag'),
    biosVersion: read('bios_version'),
  };
}

/** Those that have settings of their own, in this network namespace. */
function interfaceNames(): string[] {
  return readdirSync('/proc/sys/net/ipv4/conf').filter((name) => name !== 'all' && name !== 'default');
}

function otherInterface(name: string): InterfaceFacts[] {
  const { up, mac } = linkByName(name);
  const answersArp = up && name !== 'lo' && mac !== '' && mac !== '00:00:00:00:00:00';
  return answersArp ? [{ name, arpIgnore: stricter(name, 'arp_ignore'), arpAnnounce: stricter(name, 'arp_announce') }] : [];
}

/** The kernel takes the higher of the two. */
function stricter(interfaceName: string, key: string): number {
  return Math.max(...['all', interfaceName].map((name) => Number(readText(`/proc/sys/net/ipv4/conf/${name}/${key}`) ?? 0)));
}

function forwardingOf(interfaceName: string): { 4: boolean; 6: boolean } {
  const isOn = (path: string) => readText(`/proc/sys/net/${path}`) === '1';
  return {
    4: isOn(`ipv4/conf/${interfaceName}/forwarding`),
    6: isOn('ipv6/conf/all/forwarding') || isOn(`ipv6/conf/${interfaceName}/force_forwarding`),
  };
}

/** Index of the interface by which packets to the address leave. */
function outgoing(route: Netlink, to: string): number | undefined {
  const bytes = parseIp(to) as Uint8Array;
  const header = Buffer.alloc(RTMSG_BYTES);
  header[0] = bytes.length === 4 ? libc.AF_INET : libc.AF_INET6;
  header[1] = bytes.length * 8;
  const answer = route.request([{ type: RTM_GETROUTE, flags: 0, payload: Buffer.concat([header, attribute(RTA_DST, bytes)]) }]);
  const found = answer.ok ? answer.messages.find(({ type, payload }) => type === RTM_NEWROUTE && payload.length >= RTMSG_BYTES) : undefined;
  const index = found && attributes(found.payload.subarray(RTMSG_BYTES)).get(RTA_OIF);
  return index?.length === 4 ? index.readUInt32LE(0) : undefined;
}

/** ethtool's flags (include/uapi/linux/ethtool.h, struct ethtool_value behind the pointer of struct ifreq). */
function readLro(interfaceName: string): boolean | null {
  const value = Uint32Array.of(ETHTOOL_GFLAGS, 0);
  const request = Buffer.alloc(40);
  request.write(interfaceName, 0, IFNAMSIZ - 1, 'utf8');
  request.writeBigUInt64LE(libc.addressOf(value), IFNAMSIZ);
  const fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
  const answered = fd >= 0 && libc.ioctl(fd, SIOCETHTOOL, new Uint32Array(Uint8Array.from(request).buffer)) === 0;
  if (fd >= 0) libc.close(fd);
  return answered ? ((value[1] as number) & ETH_FLAG_LRO) !== 0 : null;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
