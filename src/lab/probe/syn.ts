/**
 * A TCP SYN aimed at one host's MAC address, the SYN-ACK that shows who accepts connections for an address, and the RST that ends it: RFC
 * 9293 sections 3.1 (header, checksum) and 3.10.7.3 (RST), RFC 791 section 3.1 (IPv4 header), RFC 8200 sections 3 and 8.1 (IPv6 header, pseudo-header).
 */
import { formatMac, parseIp } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { startFrame } from '../../core/neighbor/ethernet.ts';
import { FrameTemplate } from './template.ts';

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const PROTOCOL_TCP = 6;
const FLAG_MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET = 0x1fff;
const FLAG_SYN = 0x02;
const FLAG_RST = 0x04;
const FLAG_ACK = 0x10;
/** No options: the default segment size is enough for a connection that carries nothing. */
const TCP_HEADER_BYTES = 20;
const HOP_LIMIT = 64;

/** The two ends of a knock; both addresses are of one family. */
export interface Ends {
  sourceMac: string;
  targetMac: string;
  source: string;
  target: string;
  sourcePort: number;
  targetPort: number;
}

export function synFrame(ends: Ends, { sequence }: { sequence: number }): Uint8Array {
  return tcpFrame(ends, { sequence, flags: FLAG_SYN });
}

/** A SYN to be sent with changing source port (at `tcpAt`) and sequence number (4 bytes later). */
export function synTemplate(ends: Ends): { template: FrameTemplate; tcpAt: number } {
  const frame = synFrame(ends, { sequence: 0 });
  const tcpAt = frame.length - TCP_HEADER_BYTES;
  return { template: new FrameTemplate(frame, tcpAt + 16), tcpAt };
}

/** Ends the half-open connection at the very host that answered; `sequence` is the acknowledgement of its SYN-ACK. */
export function rstFrame(ends: Ends, { sequence }: { sequence: number }): Uint8Array {
  return tcpFrame(ends, { sequence, flags: FLAG_RST });
}

function tcpFrame(ends: Ends, { sequence, flags }: { sequence: number; flags: number }): Uint8Array {
  const source = ipBytesOf(ends.source);
  const target = ipBytesOf(ends.target);
  assert(source.length === target.length, `${ends.source} and ${ends.target} are of one family`);
  const segment = new ByteWriter().u16(ends.sourcePort).u16(ends.targetPort).u32(sequence).u32(0);
  segment
    .u8((TCP_HEADER_BYTES / 4) << 4)
    .u8(flags)
    .u16(1024)
    .u16(0)
    .u16(0);
  const bytes = segment.finish();
  const sum = checksum([source, target, Uint8Array.of(0, PROTOCOL_TCP, 0, bytes.length), bytes]);
  new DataView(bytes.buffer).setUint16(16, sum);
  const etherType = source.length === 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  return startFrame({ destination: ends.targetMac, source: ends.sourceMac, etherType })
    .bytes(source.length === 4 ? ipv4Header(source, target, bytes.length) : ipv6Header(source, target, bytes.length))
    .bytes(bytes)
    .finish();
}

function ipv4Header(source: Uint8Array, target: Uint8Array, length: number): Uint8Array {
  const start = new ByteWriter()
    .u8(0x45)
    .u8(0)
    .u16(20 + length)
    .u16(0)
    .u16(0x4000)
    .u8(HOP_LIMIT)
    .u8(PROTOCOL_TCP);
  const header = start.u16(0).bytes(source).bytes(target).finish();
  new DataView(header.buffer).setUint16(10, checksum([header]));
  return header;
}

function ipv6Header(source: Uint8Array, target: Uint8Array, length: number): Uint8Array {
  return new ByteWriter().u32(0x6000_0000).u16(length).u8(PROTOCOL_TCP).u8(HOP_LIMIT).bytes(source).bytes(target).finish();
}

/** One's complement sum over parts of even length (RFC 1071); 0 over data that carries the right one. */
export function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] as number) << 8) | (part[i + 1] as number);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface SynAck {
  /** The host that answered, from the Ethernet header. */
  mac: string;
  sourcePort: number;
  targetPort: number;
  /** Sequence number of the SYN it answers, plus one. */
  acknowledgement: number;
}

/** Undefined when the frame is anything else; fragments and extension headers are not looked into, as no stack sends a SYN-ACK so. */
export function parseSynAck(frame: Uint8Array): SynAck | undefined {
  const reader = new ByteReader(frame);
  reader.bytes(6);
  const mac = formatMac(reader.bytes(6));
  if (!skipIpHeader(reader, reader.u16())) return undefined;
  const [sourcePort, targetPort] = [reader.u16(), reader.u16()];
  reader.u32();
  const acknowledgement = reader.u32();
  reader.u8();
  const flags = reader.u8();
  if (!reader.ok || (flags & 0x3f) !== (FLAG_SYN | FLAG_ACK)) return undefined;
  return { mac, sourcePort, targetPort, acknowledgement };
}

/** Whether a TCP segment follows, unfragmented. */
function skipIpHeader(reader: ByteReader, etherType: number): boolean {
  const first = reader.u8();
  if (etherType === ETHERTYPE_IPV6) {
    reader.bytes(5);
    const isTcp = reader.u8() === PROTOCOL_TCP;
    reader.bytes(33);
    return reader.ok && first >> 4 === 6 && isTcp;
  }
  const headerBytes = (first & 0x0f) * 4;
  if (etherType !== ETHERTYPE_IPV4 || first >> 4 !== 4 || headerBytes < 20) return false;
  reader.bytes(5);
  const isFragment = (reader.u16() & (FLAG_MORE_FRAGMENTS | FRAGMENT_OFFSET)) !== 0;
  reader.u8();
  const isTcp = reader.u8() === PROTOCOL_TCP;
  reader.bytes(headerBytes - 10);
  return reader.ok && !isFragment && isTcp;
}

function ipBytesOf(address: string): Uint8Array {
  const bytes = parseIp(address);
  assert(bytes !== undefined, `${address} is an IP address`);
  return bytes;
}
