/** Interfaces and their addresses by rtnetlink (include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h). */
import { type Family, familyOf, formatIp, formatMac, parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import {
  attribute,
  attributes,
  cString,
  ipText,
  type Netlink,
  type NetlinkMessage,
  NETLINK_ROUTE,
  NLM_F_DUMP,
  openNetlink,
  zeroTerminated,
} from './netlink.ts';

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFF_UP = 0x1;
/** struct ifinfomsg and struct ifaddrmsg. */
const IFINFO_BYTES = 16;
const IFADDR_BYTES = 8;

export interface Link {
  index: number;
  name: string;
  mac: string;
  /** Administratively up; says nothing about the carrier. */
  up: boolean;
  mtu: number;
}

export interface LinkAddress {
  linkIndex: number;
  family: Family;
  address: string;
  prefixLength: number;
}

/** Throws HaleError `interface_not_found`. */
export function linkByName(name: string): Link {
  const answer = withRoute((route) =>
    route.request([{ type: RTM_GETLINK, flags: 0, payload: Buffer.concat([ifInfo(0), attribute(IFLA_IFNAME, zeroTerminated(name))]) }]),
  );
  const link = answer.ok ? answer.messages.map(decodeLink).find((found) => found !== undefined) : undefined;
  if (link !== undefined) return link;
  throw new HaleError({
    code: 'interface_not_found',
    kind: 'world',
    message: `interface ${name}: ${answer.ok ? 'no answer from the kernel' : answer.reason}`,
    remedy: 'List the interfaces of this host with `ip link` and put the right name into `endpoint.interface`.',
  });
}

/** The interface that carries one of this host's own addresses. Throws HaleError `address_on_no_interface`. */
export function linkByAddress(address: string): Link {
  const bytes = parseIp(address);
  const wanted = bytes === undefined ? undefined : formatIp(bytes);
  const owner = listAddresses().find((entry) => entry.address === wanted);
  const link = owner === undefined ? undefined : listLinks().find(({ index }) => index === owner.linkIndex);
  if (link !== undefined) return link;
  throw new HaleError({
    code: 'address_on_no_interface',
    kind: 'world',
    message: `host address ${address}: no interface of this host carries it`,
    remedy: 'Compare the address in the cluster description with `ip address`.',
  });
}

/** All addresses of this host, or of one interface. */
export function listAddresses(linkIndex?: number): LinkAddress[] {
  const found = dump(RTM_GETADDR, Buffer.alloc(IFADDR_BYTES)).map(decodeAddress);
  return found.filter((entry) => entry !== undefined).filter((entry) => linkIndex === undefined || entry.linkIndex === linkIndex);
}

/** All interfaces of this network namespace. */
export function listLinks(): Link[] {
  return dump(RTM_GETLINK, ifInfo(0))
    .map(decodeLink)
    .filter((link) => link !== undefined);
}

function withRoute<T>(use: (route: Netlink) => T): T {
  const route = openNetlink(NETLINK_ROUTE);
  try {
    return use(route);
  } finally {
    route.close();
  }
}

function dump(type: number, payload: Uint8Array): NetlinkMessage[] {
  const answer = withRoute((route) => route.request([{ type, flags: NLM_F_DUMP, payload }]));
  if (answer.ok) return answer.messages;
  throw new HaleError({ code: 'netlink_refused', kind: 'world', message: `netlink request ${type}: ${answer.reason}` });
}

/** struct ifinfomsg. */
function ifInfo(index: number): Buffer {
  const bytes = Buffer.alloc(IFINFO_BYTES);
  bytes.writeInt32LE(index, 4);
  return bytes;
}

/** Undefined for what is no whole RTM_NEWLINK. */
export function decodeLink({ type, payload }: NetlinkMessage): Link | undefined {
  if (type !== RTM_NEWLINK || payload.length < IFINFO_BYTES) return undefined;
  const header = Buffer.from(payload);
  const found = attributes(payload.subarray(IFINFO_BYTES));
  const mtu = found.get(IFLA_MTU);
  return {
    index: header.readInt32LE(4),
    name: cString(found.get(IFLA_IFNAME) ?? Buffer.alloc(0)),
    mac: formatMac(found.get(IFLA_ADDRESS) ?? Buffer.alloc(0)),
    up: (header.readUInt32LE(8) & IFF_UP) !== 0,
    mtu: mtu?.length === 4 ? mtu.readUInt32LE(0) : 0,
  };
}

/** Undefined for what is no whole RTM_NEWADDR with an address. */
export function decodeAddress({ type, payload }: NetlinkMessage): LinkAddress | undefined {
  if (type !== RTM_NEWADDR || payload.length < IFADDR_BYTES) return undefined;
  const header = Buffer.from(payload);
  const found = attributes(payload.subarray(IFADDR_BYTES));
  // On a point-to-point link IFA_ADDRESS is the peer; IFA_LOCAL is ours wherever it is given.
  const address = ipText(found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS));
  if (address === undefined) return undefined;
  return { linkIndex: header.readUInt32LE(4), family: familyOf(address), address, prefixLength: header.readUInt8(1) };
}
