/**
 * What the kernel remembers of connections that it translates, by ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h,
 * net/netfilter/nf_conntrack_netlink.c). The kernel searches its whole table, 12 ms where that has 262,144 rows, so a thread of the pool
 * does it.
 */
import { formatIp, parseIp } from '../../base/address.ts';
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import {
  attribute,
  attributes,
  NLM_F_ACK,
  nested,
  type Netlink,
  type NetlinkMessage,
  NETLINK_NETFILTER,
  openNetlink,
  uint32,
} from './netlink.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_NEW = 0;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_PROTOINFO = 4;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
/** Destination address, and protocol with destination port (net/netfilter/nf_internals.h). */
const FILTER_ADDRESS = 1 << 1;
const FILTER_PORT = (1 << 3) | (1 << 5);
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const IPPROTO_TCP = 6;
const NFGENMSG_BYTES = 4;
/** ESTABLISHED, FIN_WAIT, CLOSE_WAIT (include/uapi/linux/netfilter/nf_conntrack_tcp.h): one side or both can still be waiting for the other. */
const CONNECTED = [3, 4, 5];
/** So many in one datagram stay far below what a socket sends at once. */
const DELETED_AT_ONCE = 64;

export interface End {
  /** In the form of `formatIp`. */
  address: string;
  port: number;
}

/** A TCP connection to an address, as the kernel translates it. */
export interface TrackedConnection {
  client: End;
  /** Where the client connected to. */
  asked: End;
  /** Who answers. */
  server: End;
  /** After the handshake and before its end. */
  connected: boolean;
  /** What names the entry to the kernel. */
  entry: { family: number; name: Uint8Array };
}

export interface Conntrack {
  /** Finds all TCP connections to the address and port, and hands them over in slices of some hundred. One search follows the other. */
  find(asked: End, onSlice: (connections: TrackedConnection[]) => void): Promise<Effect>;
  /** The kernel knows them no more: their next segments are those of unknown connections. One that is gone already is not missed. */
  forget(connections: readonly TrackedConnection[]): Effect;
  close(): void;
}

/** Needs CAP_NET_ADMIN. Throws HaleError `netlink_unavailable`. */
export function openConntrack(): Conntrack {
  const netfilter = openNetlink(NETLINK_NETFILTER);
  // A search is under way for some time, and commands do not wait for it.
  const search = openNetlink(NETLINK_NETFILTER);
  let searches: Promise<unknown> = Promise.resolve();
  return {
    find(asked, onSlice) {
      const result = searches.then(() => searchFor(search, asked, onSlice));
      searches = result.catch(() => {});
      return result;
    },
    forget(connections) {
      for (let i = 0; i < connections.length; i += DELETED_AT_ONCE) {
        const answer = netfilter.request(connections.slice(i, i + DELETED_AT_ONCE).map(encodeDelete));
        if (!answer.ok && answer.errno !== libc.ENOENT) return { ok: false, reason: `delete from conntrack: ${answer.reason}` };
      }
      return done;
    },
    close() {
      netfilter.close();
      void searches.then(() => search.close());
    },
  };
}

async function searchFor(search: Netlink, asked: End, onSlice: (connections: TrackedConnection[]) => void): Promise<Effect> {
  const dump = search.dumpAside({ type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET, flags: 0, payload: encodeSearch(asked) });
  for (let step = await dump.next(); ; step = await dump.next()) {
    if (step.done) return step.value === undefined ? done : { ok: false, reason: `search conntrack: ${step.value.reason}` };
    const found = step.value.map(decodeConnection).filter((connection) => connection !== undefined);
    onSlice(found.filter((connection) => connection.asked.address === asked.address && connection.asked.port === asked.port));
  }
}

/** The kernel filters by it since 5.8; before that it ignores the filter, and the caller finds more than it looked for. */
function encodeSearch({ address, port }: End): Uint8Array {
  const bytes = parseIp(address) as Uint8Array;
  const v6 = bytes.length === 16;
  const destination = attribute(v6 ? 4 : 2, bytes);
  const protocol = [
    attribute(CTA_PROTO_NUM, Uint8Array.of(IPPROTO_TCP)),
    attribute(CTA_PROTO_DST_PORT, Uint8Array.of(port >> 8, port & 0xff)),
  ];
  // The kernel has an IPv6 address the wrong way round: it finds all but that one (ctnetlink_filter_match_tuple, Linux 5.8 to 6.18).
  const flags = v6 ? FILTER_PORT : FILTER_PORT | FILTER_ADDRESS;
  const filter = [attribute(CTA_FILTER_ORIG_FLAGS, uint32(flags)), attribute(CTA_FILTER_REPLY_FLAGS, uint32(0))];
  return Buffer.concat([
    Buffer.from([v6 ? libc.AF_INET6 : libc.AF_INET, 0, 0, 0]),
    nested(CTA_TUPLE_ORIG, [nested(CTA_TUPLE_IP, [destination]), nested(CTA_TUPLE_PROTO, protocol)]),
    nested(CTA_FILTER, filter),
  ]);
}

function encodeDelete({ entry }: TrackedConnection): NetlinkMessage {
  return {
    type: (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
    flags: NLM_F_ACK,
    payload: Buffer.concat([Buffer.from([entry.family, 0, 0, 0]), entry.name]),
  };
}

/** Undefined for what is no whole entry of a TCP connection. */
export function decodeConnection({ type, payload }: NetlinkMessage): TrackedConnection | undefined {
  if (type !== ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) || payload.length < NFGENMSG_BYTES) return undefined;
  const found = attributes(payload.subarray(NFGENMSG_BYTES));
  const original = decodeTuple(found.get(CTA_TUPLE_ORIG));
  const reply = decodeTuple(found.get(CTA_TUPLE_REPLY));
  if (original === undefined || reply === undefined) return undefined;
  const tcp = attributes(attributes(found.get(CTA_PROTOINFO) ?? none).get(CTA_PROTOINFO_TCP) ?? none);
  const name = [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID].flatMap((kind) => {
    const value = found.get(kind);
    return value === undefined ? [] : [kind === CTA_TUPLE_ORIG ? nested(kind, [value]) : attribute(kind, value)];
  });
  return {
    client: original.source,
    asked: original.destination,
    server: reply.source,
    connected: CONNECTED.includes(tcp.get(CTA_PROTOINFO_TCP_STATE)?.[0] ?? 0),
    entry: { family: payload[0] as number, name: Buffer.concat(name) },
  };
}

const none = Buffer.alloc(0);

function decodeTuple(tuple: Buffer | undefined): { source: End; destination: End } | undefined {
  const parts = attributes(tuple ?? none);
  const ip = attributes(parts.get(CTA_TUPLE_IP) ?? none);
  const protocol = attributes(parts.get(CTA_TUPLE_PROTO) ?? none);
  const from = ip.get(1) ?? ip.get(3);
  const to = ip.get(2) ?? ip.get(4);
  const [fromPort, toPort] = [protocol.get(CTA_PROTO_SRC_PORT), protocol.get(CTA_PROTO_DST_PORT)];
  if (protocol.get(CTA_PROTO_NUM)?.[0] !== IPPROTO_TCP || fromPort?.length !== 2 || toPort?.length !== 2) return undefined;
  if (!isIp(from) || !isIp(to)) return undefined;
  return {
    source: { address: formatIp(from), port: fromPort.readUInt16BE() },
    destination: { address: formatIp(to), port: toPort.readUInt16BE() },
  };
}

function isIp(bytes: Buffer | undefined): bytes is Buffer {
  return bytes?.length === 4 || bytes?.length === 16;
}
