/** What the kernel knows of its neighbours' hardware addresses, by rtnetlink (include/uapi/linux/neighbour.h). */
import { formatMac } from '../../base/address.ts';
import { attributes, ipText, type NetlinkMessage, NETLINK_ROUTE, NLM_F_DUMP, openNetlink } from './netlink.ts';

const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const NDA_LLADDR = 2;
/** struct ndmsg. */
const NDMSG_BYTES = 12;

/** MAC addresses by IP address on one interface, however old the kernel's entries are. */
export function neighborMacs(linkIndex: number): Map<string, string> {
  const route = openNetlink(NETLINK_ROUTE);
  const answer = route.request([{ type: RTM_GETNEIGH, flags: NLM_F_DUMP, payload: Buffer.alloc(NDMSG_BYTES) }]);
  route.close();
  const entries = answer.ok ? answer.messages.map((message) => decodeNeighbor(message, linkIndex)) : [];
  return new Map(entries.filter((entry) => entry !== undefined));
}

function decodeNeighbor({ payload }: NetlinkMessage, linkIndex: number): [address: string, mac: string] | undefined {
  if (payload.length < NDMSG_BYTES) return undefined;
  const bytes = Buffer.from(payload);
  if (bytes.readInt32LE(4) !== linkIndex) return undefined;
  const found = attributes(bytes.subarray(NDMSG_BYTES));
  const address = ipText(found.get(NDA_DST));
  const mac = found.get(NDA_LLADDR);
  return address === undefined || mac?.length !== 6 ? undefined : [address, formatMac(mac)];
}
