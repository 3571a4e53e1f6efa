/**
 * Neighbour solicitation and advertisement frames: RFC 4861 sections 4.3, 4.4, 7.1 and 7.2.6, RFC 4862 section 5.4.2 (duplicate address
 * detection), RFC 4291 section 2.7.1 (solicited-node multicast), RFC 2464 section 7 (its MAC address), RFC 4443 section 2.3 (checksum).
 */
import { formatIp, formatMac, ipBytes, macBytes } from '../../base/address.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { ETHERTYPE_IPV6, isStationMac, type Parsed, readEtherType, startFrame } from './ethernet.ts';
import type { Speaker } from './arp.ts';

const NEXT_HEADER_ICMPV6 = 58;
const HOP_LIMIT = 255;
const TYPE_SOLICITATION = 135;
const TYPE_ADVERTISEMENT = 136;
const OPTION_SOURCE_LINK_ADDRESS = 1;
const OPTION_TARGET_LINK_ADDRESS = 2;
const FLAG_SOLICITED = 0x40;
const FLAG_OVERRIDE = 0x20;
const ALL_NODES = 'ff02::1';
const UNSPECIFIED = '::';

export interface NdpPacket {
  kind: 'solicitation' | 'advertisement';
  etherSource: string;
  source: string;
  destination: string;
  target: string;
  /** Source link-layer option of a solicitation, target link-layer option of an advertisement. */
  linkAddress: string | undefined;
  /** Flags of an advertisement; false in a solicitation. */
  solicited: boolean;
  override: boolean;
}

export type NdpDecline =
  | 'truncated'
  | 'not_ipv6'
  | 'not_neighbor_discovery'
  | 'hop_limit_not_255'
  | 'checksum'
  | 'code_not_0'
  | 'target_is_multicast'
  | 'option_length'
  | 'link_address_not_a_station'
  | 'unspecified_source'
  | 'solicited_to_multicast';

/** `ff02::1:ffXX:XXXX` with the last three bytes of the address (RFC 4291 section 2.7.1). */
export function solicitedNode(address: string): string {
  const group = ipBytes('ff02::1:ff00:0', 'IPv6');
  group.set(ipBytes(address, 'IPv6').subarray(13), 13);
  return formatIp(group);
}

/** `33:33` and the last four bytes of the group (RFC 2464 section 7). */
export function multicastMac(group: string): string {
  return formatMac(Uint8Array.of(0x33, 0x33, ...ipBytes(group, 'IPv6').subarray(12)));
}

/** "Does anybody use `address`?" from `::`, with no option, so that nobody learns anything from it (RFC 4862 section 5.4.2). */
export function duplicateAddressSolicitation({ mac, address }: Speaker): Uint8Array {
  const message = new ByteWriter().u8(TYPE_SOLICITATION).u8(0).u16(0).u32(0).bytes(ipBytes(address, 'IPv6'));
  return ndpFrame({ mac, source: UNSPECIFIED, destination: solicitedNode(address), message: message.finish() });
}

/** "Who has `target`?" from `address` (RFC 4861 section 4.3). */
export function neighborSolicitation({ mac, address, target }: Speaker & { target: string }): Uint8Array {
  const message = new ByteWriter().u8(TYPE_SOLICITATION).u8(0).u16(0).u32(0).bytes(ipBytes(target, 'IPv6'));
  message.u8(OPTION_SOURCE_LINK_ADDRESS).u8(1).bytes(macBytes(mac));
  return ndpFrame({ mac, source: address, destination: solicitedNode(target), message: message.finish() });
}

/** Unsolicited, override flag set, to all nodes: those that know the address change its MAC at once (RFC 4861 section 7.2.6). */
export function unsolicitedAdvertisement({ mac, address }: Speaker): Uint8Array {
  const message = new ByteWriter().u8(TYPE_ADVERTISEMENT).u8(0).u16(0).u8(FLAG_OVERRIDE).u8(0).u16(0).bytes(ipBytes(address, 'IPv6'));
  message.u8(OPTION_TARGET_LINK_ADDRESS).u8(1).bytes(macBytes(mac));
  return ndpFrame({ mac, source: address, destination: ALL_NODES, message: message.finish() });
}

function ndpFrame(parts: { mac: string; source: string; destination: string; message: Uint8Array }): Uint8Array {
  const source = ipBytes(parts.source, 'IPv6');
  const destination = ipBytes(parts.destination, 'IPv6');
  const sum = checksum({ source, destination, message: parts.message });
  parts.message[2] = sum >> 8;
  parts.message[3] = sum & 0xff;
  return startFrame({ destination: multicastMac(parts.destination), source: parts.mac, etherType: ETHERTYPE_IPV6 })
    .u32(0x6000_0000)
    .u16(parts.message.length)
    .u8(NEXT_HEADER_ICMPV6)
    .u8(HOP_LIMIT)
    .bytes(source)
    .bytes(destination)
    .bytes(parts.message)
    .finish();
}

/** One's complement sum over pseudo-header and message (RFC 4443 section 2.3, RFC 8200 section 8.1); 0 over a message that carries the right one. */
function checksum({ source, destination, message }: { source: Uint8Array; destination: Uint8Array; message: Uint8Array }): number {
  let sum = message.length + NEXT_HEADER_ICMPV6;
  for (const part of [source, destination, message]) {
    for (let i = 0; i < part.length; i += 2) sum += ((part[i] as number) << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Reads an untrusted Ethernet frame with the checks of RFC 4861 section 7.1; extension headers are declined, as no stack sends any here. */
export function parseNdp(frame: Uint8Array): Parsed<NdpPacket, NdpDecline> {
  const reader = new ByteReader(frame);
  const ether = readEtherType(reader);
  const version = reader.u32() >>> 28;
  const [length, nextHeader, hopLimit] = [reader.u16(), reader.u8(), reader.u8()];
  const [source, destination] = [reader.bytes(16), reader.bytes(16)];
  if (!reader.ok) return { ok: false, reason: 'truncated' };
  if (ether.etherType !== ETHERTYPE_IPV6 || version !== 6) return { ok: false, reason: 'not_ipv6' };
  const message = reader.bytes(length);
  if (!reader.ok) return { ok: false, reason: 'truncated' };
  if (nextHeader !== NEXT_HEADER_ICMPV6) return { ok: false, reason: 'not_neighbor_discovery' };
  if (message[0] !== TYPE_SOLICITATION && message[0] !== TYPE_ADVERTISEMENT) return { ok: false, reason: 'not_neighbor_discovery' };
  if (hopLimit !== HOP_LIMIT) return { ok: false, reason: 'hop_limit_not_255' };
  if (checksum({ source, destination, message }) !== 0) return { ok: false, reason: 'checksum' };
  return parseMessage({ etherSource: formatMac(ether.source), source, destination, message });
}

interface Envelope {
  etherSource: string;
  source: Uint8Array;
  destination: Uint8Array;
  message: Uint8Array;
}

function parseMessage({ etherSource, source, destination, message }: Envelope): Parsed<NdpPacket, NdpDecline> {
  const reader = new ByteReader(message);
  const solicitation = reader.u8() === TYPE_SOLICITATION;
  const code = reader.u8();
  reader.u16();
  const flags = reader.u32() >>> 24;
  const target = reader.bytes(16);
  if (!reader.ok) return { ok: false, reason: 'truncated' };
  if (code !== 0) return { ok: false, reason: 'code_not_0' };
  if (target[0] === 0xff) return { ok: false, reason: 'target_is_multicast' };
  const option = linkAddressOption(reader, solicitation ? OPTION_SOURCE_LINK_ADDRESS : OPTION_TARGET_LINK_ADDRESS);
  if (!option.ok) return option;
  const packet: NdpPacket = {
    kind: solicitation ? 'solicitation' : 'advertisement',
    etherSource,
    source: formatIp(source),
    destination: formatIp(destination),
    target: formatIp(target),
    linkAddress: option.value,
    solicited: !solicitation && (flags & FLAG_SOLICITED) !== 0,
    override: !solicitation && (flags & FLAG_OVERRIDE) !== 0,
  };
  const reason = breachOfSection71(packet);
  return reason === undefined ? { ok: true, value: packet } : { ok: false, reason };
}

function linkAddressOption(reader: ByteReader, wanted: number): Parsed<string | undefined, NdpDecline> {
  let found: string | undefined;
  while (reader.remaining > 0) {
    const type = reader.u8();
    const units = reader.u8();
    if (units === 0) return { ok: false, reason: 'option_length' };
    const body = reader.bytes(units * 8 - 2);
    if (!reader.ok) return { ok: false, reason: 'option_length' };
    if (type !== wanted) continue;
    if (units !== 1) return { ok: false, reason: 'option_length' };
    if (!isStationMac(body)) return { ok: false, reason: 'link_address_not_a_station' };
    found = formatMac(body);
  }
  return { ok: true, value: found };
}

/** The rules of RFC 4861 sections 7.1.1 and 7.1.2 that relate fields to each other. */
function breachOfSection71(packet: NdpPacket): NdpDecline | undefined {
  if (packet.kind === 'advertisement') {
    return packet.solicited && /^ff[0-9a-f]{2}:/.test(packet.destination) ? 'solicited_to_multicast' : undefined;
  }
  if (packet.source !== UNSPECIFIED) return undefined;
  const lawful = packet.destination === solicitedNode(packet.target) && packet.linkAddress === undefined;
  return lawful ? undefined : 'unspecified_source';
}
