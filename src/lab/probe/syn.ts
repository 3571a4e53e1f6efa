/**
 * A TCP SYN aimed at one host's MAC address, the SYN-ACK that shows who accepts connections for an address, and the RST that ends it (RFC
 * 9293 section 3.10.7.3).
 */
import { familyOf, formatMac } from '../../base/address.ts';
import { ByteReader } from '../../base/bytes.ts';
import {
  FLAG_ACK,
  FLAG_RST,
  FLAG_SYN,
  PROTOCOL_TCP,
  type SegmentEnds,
  type SegmentFacts,
  TCP_HEADER_BYTES,
  tcpPacket,
} from '../../core/balancer/segment.ts';
import { startFrame } from '../../core/neighbor/ethernet.ts';
import { FrameTemplate } from './template.ts';

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const FLAG_MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET = 0x1fff;

/** The two ends of a knock. */
export interface Ends extends SegmentEnds {
  sourceMac: string;
  targetMac: string;
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

function tcpFrame(ends: Ends, facts: SegmentFacts): Uint8Array {
  const etherType = familyOf(ends.source) === 'IPv4' ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6;
  return startFrame({ destination: ends.targetMac, source: ends.sourceMac, etherType }).bytes(tcpPacket(ends, facts)).finish();
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
