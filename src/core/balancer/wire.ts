/**
 * What agents tell each other about clients' connections, as payload of the datagrams that the session layer authenticates, big-endian:
 *
 *   protocol u8 | kind u8 | fields of the kind
 *
 *   flows   first page u8 | last page u8 | count u8 | IPv4 address u32, port u16 each | count u8 | IPv6 address 16 bytes, port u16 each
 *   table   opening u16 | established u16 | dead u16
 *   query   (nothing)
 *
 * Flows ascend strictly within each family, IPv4 is never written as mapped IPv6, and pages follow from the flows: one encoding for each message.
 */
import { formatIp, ipBytes } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { PAYLOAD_BYTES_MAX } from '../session/wire.ts';
import { type Flow, flowHash, flowKey, PAGES, pageOf } from './flow.ts';

/** The lease's messages begin with 1. */
const PROTOCOL = 2;
const FLOWS_ROOM = PAYLOAD_BYTES_MAX - 6;
const IPV4_FLOW_BYTES = 6;
const IPV6_FLOW_BYTES = 18;

/** All flows of the sender that belong to the pages from `first` to `last`, both included. Whoever hears it forgets what it knew of these pages. */
export interface FlowsMessage {
  kind: 'flows';
  first: number;
  last: number;
  flows: readonly Flow[];
}

export type BalancerMessage =
  | FlowsMessage
  /** How the sender steers, or follows the holder's steering: bit i of a mask stands for member i. The dead ones have lost their connections. */
  | { kind: 'table'; opening: number; established: number; dead: number }
  /** Tell me all your pages: I have just started. */
  | { kind: 'query' };

const kinds: readonly BalancerMessage['kind'][] = ['flows', 'table', 'query'];

export type DecodedBalancer = { ok: true; message: BalancerMessage } | { ok: false; reason: 'protocol' | 'kind' | 'length' | 'value' };

/** Whether a payload is for the balancer rather than for the lease. */
export function isBalancerPayload(payload: Uint8Array): boolean {
  return payload[0] === PROTOCOL;
}

/** The flows of `message` must be of its pages and fit (`packPages`). */
export function encodeBalancerMessage(message: BalancerMessage): Uint8Array {
  const writer = new ByteWriter().u8(PROTOCOL).u8(kinds.indexOf(message.kind));
  if (message.kind === 'table') writer.u16(message.opening).u16(message.established).u16(message.dead);
  if (message.kind === 'flows') {
    writer.u8(message.first).u8(message.last);
    const entries = message.flows.map(encodeFlow).toSorted(compareBytes);
    for (const size of [IPV4_FLOW_BYTES, IPV6_FLOW_BYTES]) {
      const ofFamily = entries.filter(({ length }) => length === size);
      writer.u8(ofFamily.length);
      for (const entry of ofFamily) writer.bytes(entry);
    }
  }
  const bytes = writer.finish();
  assert(bytes.length <= PAYLOAD_BYTES_MAX, `${message.kind} fits a datagram: ${bytes.length} bytes`);
  return bytes;
}

function encodeFlow({ address, port }: Flow): Uint8Array {
  const ip = ipBytes(address);
  const bytes = new Uint8Array(ip.length + 2);
  bytes.set(ip);
  bytes[ip.length] = port >> 8;
  bytes[ip.length + 1] = port & 0xff;
  return bytes;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return (a[at] ?? 0) - (b[at] ?? 0);
}

/** Reads what came from the network. Malformed bytes are a value with the reason. */
export function decodeBalancerMessage(bytes: Uint8Array): DecodedBalancer {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== PROTOCOL) return { ok: false, reason: reader.ok ? 'protocol' : 'length' };
  const kind = kinds[reader.u8()];
  if (!reader.ok) return { ok: false, reason: 'length' };
  if (kind === undefined) return { ok: false, reason: 'kind' };
  if (bytes.length > PAYLOAD_BYTES_MAX) return { ok: false, reason: 'length' };
  const message = readFields(kind, reader);
  if (!reader.ok || reader.remaining > 0) return { ok: false, reason: 'length' };
  return message === undefined ? { ok: false, reason: 'value' } : { ok: true, message };
}

function readFields(kind: BalancerMessage['kind'], reader: ByteReader): BalancerMessage | undefined {
  switch (kind) {
    case 'query':
      return { kind };
    case 'table':
      return { kind, opening: reader.u16(), established: reader.u16(), dead: reader.u16() };
    case 'flows': {
      const [first, last] = [reader.u8(), reader.u8()];
      const entries = [...readFlows(reader, 4), ...readFlows(reader, 16)];
      const flows = entries.filter((flow) => flow !== undefined);
      const lawful = first <= last && flows.length === entries.length;
      return lawful && flows.every((flow) => isOfPages(flow, { first, last })) ? { kind, first, last, flows } : undefined;
    }
  }
}

/** Undefined in the place of each flow that is not lawful. */
function readFlows(reader: ByteReader, addressBytes: 4 | 16): (Flow | undefined)[] {
  let before: Uint8Array = new Uint8Array(0);
  return Array.from({ length: reader.u8() }, () => {
    const entry = reader.bytes(addressBytes + 2);
    const ascends = before.length === 0 || compareBytes(before, entry) < 0;
    before = entry;
    const port = ((entry[addressBytes] as number) << 8) | (entry[addressBytes + 1] as number);
    const isMapped = addressBytes === 16 && entry.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff));
    return reader.ok && ascends && port > 0 && !isMapped ? { address: formatIp(entry.subarray(0, addressBytes)), port } : undefined;
  });
}

function isOfPages(flow: Flow, { first, last }: { first: number; last: number }): boolean {
  const page = pageOf(flowHash(flowKey(flow)));
  return page >= first && page <= last;
}

function flowBytes({ address }: Flow): number {
  return address.includes(':') ? IPV6_FLOW_BYTES : IPV4_FLOW_BYTES;
}

function sizeOf(flows: readonly Flow[]): number {
  return flows.reduce((sum, flow) => sum + flowBytes(flow), 0);
}

/**
 * The flows of one page that can be told: all, or as many as fit a datagram, IPv4 first. A page takes 197 IPv4 or 65 IPv6 flows; spread by the
 * hash, a host can tell some 40,000 of IPv4 or 11,000 of IPv6 before the fullest page leaves one out.
 */
export function fitPage(flows: readonly Flow[]): readonly Flow[] {
  if (leftOut(flows) === 0) return flows;
  let room = FLOWS_ROOM;
  // Always the same ones, in whatever order the kernel lists them.
  return flows
    .toSorted((a, b) => flowBytes(a) - flowBytes(b) || a.port - b.port || (a.address < b.address ? -1 : 1))
    .filter((flow) => (room -= flowBytes(flow)) >= 0);
}

/** How many flows of the page do not fit. */
export function leftOut(flows: readonly Flow[]): number {
  if (sizeOf(flows) <= FLOWS_ROOM) return 0;
  const ipv4 = flows.filter((flow) => flowBytes(flow) === IPV4_FLOW_BYTES).length;
  const ipv4Told = Math.min(ipv4, Math.floor(FLOWS_ROOM / IPV4_FLOW_BYTES));
  return flows.length - ipv4Told - Math.min(flows.length - ipv4, Math.floor((FLOWS_ROOM - ipv4Told * IPV4_FLOW_BYTES) / IPV6_FLOW_BYTES));
}

/** The pages from `first` on, as many as fit one datagram and at least one. What `page` gives must fit (`fitPage`). */
export function packPages(first: number, page: (index: number) => readonly Flow[]): FlowsMessage {
  const flows = [...page(first)];
  let room = FLOWS_ROOM - sizeOf(flows);
  let last = first;
  for (; last + 1 < PAGES; last++) {
    const more = page(last + 1);
    room -= sizeOf(more);
    if (room < 0) break;
    flows.push(...more);
  }
  return { kind: 'flows', first, last, flows };
}
