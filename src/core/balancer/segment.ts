/**
 * TCP segments without options or data, in their IP packets: RFC 9293 section 3.1 (header, checksum), RFC 791 section 3.1 (IPv4 header), RFC 8200
 * sections 3 and 8.1 (IPv6 header, pseudo-header).
 */
import { ipBytes } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';

export const PROTOCOL_TCP = 6;
export const FLAG_SYN = 0x02;
export const FLAG_RST = 0x04;
export const FLAG_ACK = 0x10;
export const TCP_HEADER_BYTES = 20;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
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

/** Written in place, as thousands are made in a row. */
export function tcpPacket(ends: SegmentEnds, { sequence, acknowledgement = 0, flags }: SegmentFacts): Uint8Array {
  const source = ipBytes(ends.source);
  const target = ipBytes(ends.target);
  assert(source.length === target.length, `${ends.source} and ${ends.target} are of one family`);
  const isV4 = source.length === 4;
  const tcpAt = isV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  const packet = new Uint8Array(tcpAt + TCP_HEADER_BYTES);
  const view = new DataView(packet.buffer);
  packet.set(source, isV4 ? 12 : 8);
  packet.set(target, isV4 ? 16 : 24);
  view.setUint16(tcpAt, ends.sourcePort);
  view.setUint16(tcpAt + 2, ends.targetPort);
  view.setUint32(tcpAt + 4, sequence);
  view.setUint32(tcpAt + 8, acknowledgement);
  packet[tcpAt + 12] = (TCP_HEADER_BYTES / 4) << 4;
  packet[tcpAt + 13] = flags;
  view.setUint16(tcpAt + 14, WINDOW);
  const covered = packet.subarray(isV4 ? 12 : 8);
  view.setUint16(tcpAt + 16, checksum([covered, Uint8Array.of(0, PROTOCOL_TCP, 0, TCP_HEADER_BYTES)]));
  if (isV4) writeIpv4Header(view);
  else writeIpv6Header(view);
  return packet;
}

/** Around the addresses, which are there. */
function writeIpv4Header(view: DataView): void {
  view.setUint8(0, 0x45);
  view.setUint16(2, view.byteLength);
  view.setUint16(6, DO_NOT_FRAGMENT);
  view.setUint8(8, HOP_LIMIT);
  view.setUint8(9, PROTOCOL_TCP);
  view.setUint16(10, checksum([new Uint8Array(view.buffer, 0, IPV4_HEADER_BYTES)]));
}

function writeIpv6Header(view: DataView): void {
  view.setUint8(0, 0x60);
  view.setUint16(4, view.byteLength - IPV6_HEADER_BYTES);
  view.setUint8(6, PROTOCOL_TCP);
  view.setUint8(7, HOP_LIMIT);
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
