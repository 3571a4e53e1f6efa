/**
 * TCP segments without options or data, in their IP packets: RFC 9293 section 3.1 (header, checksum), RFC 791 section 3.1 (IPv4 header), RFC 8200
 * sections 3 and 8.1 (IPv6 header, pseudo-header).
 */
import { parseIp } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { ByteWriter } from '../../base/bytes.ts';

export const PROTOCOL_TCP = 6;
export const FLAG_SYN = 0x02;
export const FLAG_RST = 0x04;
export const FLAG_ACK = 0x10;
export const TCP_HEADER_BYTES = 20;
const DO_NOT_FRAGMENT = 0x4000;
const HOP_LIMIT = 64;
const WINDOW = 1024;

/** Both addresses are of one family. */
export interface SegmentEnds {
  source: string;
  target: string;
  sourcePort: number;
  targetPort: number;
}

export interface SegmentFacts {
  sequence: number;
  /** Counts where the flags have ACK. */
  acknowledgement?: number;
  flags: number;
}

export function tcpPacket(ends: SegmentEnds, { sequence, acknowledgement = 0, flags }: SegmentFacts): Uint8Array {
  const source = ipBytesOf(ends.source);
  const target = ipBytesOf(ends.target);
  assert(source.length === target.length, `${ends.source} and ${ends.target} are of one family`);
  const segment = new ByteWriter().u16(ends.sourcePort).u16(ends.targetPort).u32(sequence).u32(acknowledgement);
  segment
    .u8((TCP_HEADER_BYTES / 4) << 4)
    .u8(flags)
    .u16(WINDOW)
    .u16(0)
    .u16(0);
  const bytes = segment.finish();
  const sum = checksum([source, target, Uint8Array.of(0, PROTOCOL_TCP, 0, bytes.length), bytes]);
  new DataView(bytes.buffer).setUint16(16, sum);
  const header = source.length === 4 ? ipv4Header(source, target, bytes.length) : ipv6Header(source, target, bytes.length);
  const packet = new Uint8Array(header.length + bytes.length);
  packet.set(header);
  packet.set(bytes, header.length);
  return packet;
}

function ipv4Header(source: Uint8Array, target: Uint8Array, length: number): Uint8Array {
  const start = new ByteWriter()
    .u8(0x45)
    .u8(0)
    .u16(20 + length)
    .u16(0)
    .u16(DO_NOT_FRAGMENT)
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

function ipBytesOf(address: string): Uint8Array {
  const bytes = parseIp(address);
  assert(bytes !== undefined, `${address} is an IP address`);
  return bytes;
}
