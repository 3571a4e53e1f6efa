/** An interface with a MAC address of its own on another one: macvlan (include/uapi/linux/if_link.h), by rtnetlink. */
import { macBytes } from '../../base/address.ts';
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import { attribute, NETLINK_ROUTE, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, openNetlink, uint32, zeroTerminated } from './netlink.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_MACVLAN_MODE = 1;
/** Frames between two macvlan interfaces of one parent go through the switch outside. */
const MACVLAN_MODE_PRIVATE = 1;
const IFF_UP = 0x1;

export interface Macvlan {
  name: string;
  mac: string;
  /** Index of the interface that it is on. */
  parentIndex: number;
}

/** Makes the interface, down. An old one of that name is replaced. */
export function addMacvlan({ name, mac, parentIndex }: Macvlan): Effect {
  const bytes = macBytes(mac);
  const data = attribute(IFLA_INFO_DATA, attribute(IFLA_MACVLAN_MODE, uint32(MACVLAN_MODE_PRIVATE)));
  const info = attribute(IFLA_LINKINFO, Buffer.concat([attribute(IFLA_INFO_KIND, zeroTerminated('macvlan')), data]));
  const parts = [
    ifInfo(),
    attribute(IFLA_LINK, uint32(parentIndex)),
    attribute(IFLA_IFNAME, zeroTerminated(name)),
    attribute(IFLA_ADDRESS, bytes),
    info,
  ];
  const removed = removeLink(name);
  if (!removed.ok) return removed;
  return ask({ type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload: Buffer.concat(parts), what: `make the interface ${name}` });
}

export function setLinkUp(name: string): Effect {
  const payload = Buffer.concat([ifInfo(IFF_UP), attribute(IFLA_IFNAME, zeroTerminated(name))]);
  return ask({ type: RTM_NEWLINK, flags: 0, payload, what: `bring ${name} up` });
}

/** Success when there is none of that name. */
export function removeLink(name: string): Effect {
  const payload = Buffer.concat([ifInfo(), attribute(IFLA_IFNAME, zeroTerminated(name))]);
  return ask({ type: RTM_DELLINK, flags: 0, payload, what: `remove the interface ${name}`, harmless: libc.ENODEV });
}

/** struct ifinfomsg. */
function ifInfo(flags = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(flags, 12);
  return bytes;
}

function ask({
  type,
  flags,
  payload,
  what,
  harmless,
}: {
  type: number;
  flags: number;
  payload: Uint8Array;
  what: string;
  harmless?: number;
}): Effect {
  const route = openNetlink(NETLINK_ROUTE);
  try {
    const answer = route.request([{ type, flags: flags | NLM_F_ACK, payload }]);
    if (answer.ok || answer.errno === harmless) return done;
    return { ok: false, reason: `${what}: ${answer.reason}` };
  } finally {
    route.close();
  }
}
