/**
 * ARP frames: RFC 826 (the packet), RFC 5227 (probe, announcement, conflict), RFC 5944 section 4.6 (gratuitous reply).
 * Only Ethernet and IPv4 exist here; every other combination is declined.
 */
import { formatIp, formatMac, ipBytes, macBytes } from '../../base/address.ts';
import { ByteReader } from '../../base/bytes.ts';
import { BROADCAST_MAC, ETHERTYPE_ARP, isStationMac, type Parsed, readEtherType, startFrame, ZERO_MAC } from './ethernet.ts';

const HARDWARE_ETHERNET = 1;
const PROTOCOL_IPV4 = 0x0800;
const OPERATION_REQUEST = 1;
const OPERATION_REPLY = 2;

export interface ArpPacket {
  operation: 'request' | 'reply';
  senderMac: string;
  senderAddress: string;
  targetMac: string;
  targetAddress: string;
}

export type ArpDecline = 'truncated' | 'not_arp' | 'not_ethernet_ipv4' | 'unknown_operation' | 'sender_not_a_station';

export interface Speaker {
  mac: string;
  address: string;
}

/** "Is anybody using this address?" without claiming it: the sender address is 0.0.0.0 (RFC 5227 section 1.1). */
export function arpProbe({ mac, address }: Speaker): Uint8Array {
  return arpFrame(BROADCAST_MAC, {
    operation: 'request',
    senderMac: mac,
    senderAddress: '0.0.0.0',
    targetMac: ZERO_MAC,
    targetAddress: address,
  });
}

export interface Question extends Speaker {
  target: string;
}

/** "Who has `target`, tell `address`" (RFC 826). */
export function arpRequest({ mac, address, target }: Question): Uint8Array {
  return arpFrame(BROADCAST_MAC, {
    operation: 'request',
    senderMac: mac,
    senderAddress: address,
    targetMac: ZERO_MAC,
    targetAddress: target,
  });
}

/** Gratuitous request: sender and target address are the same (RFC 5227 sections 1.1 and 3). */
export function arpAnnouncement({ mac, address }: Speaker): Uint8Array {
  return arpRequest({ mac, address, target: address });
}

/** Gratuitous reply, for stations that learn from replies only; the target hardware address is the one to learn (RFC 5944 section 4.6). */
export function arpGratuitousReply({ mac, address }: Speaker): Uint8Array {
  return arpFrame(BROADCAST_MAC, {
    operation: 'reply',
    senderMac: mac,
    senderAddress: address,
    targetMac: mac,
    targetAddress: address,
  });
}

function arpFrame(destination: string, packet: ArpPacket): Uint8Array {
  return startFrame({ destination, source: packet.senderMac, etherType: ETHERTYPE_ARP })
    .u16(HARDWARE_ETHERNET)
    .u16(PROTOCOL_IPV4)
    .u8(6)
    .u8(4)
    .u16(packet.operation === 'request' ? OPERATION_REQUEST : OPERATION_REPLY)
    .bytes(macBytes(packet.senderMac))
    .bytes(ipBytes(packet.senderAddress, 'IPv4'))
    .bytes(macBytes(packet.targetMac))
    .bytes(ipBytes(packet.targetAddress, 'IPv4'))
    .finish();
}

/** Reads an untrusted Ethernet frame; padding after the packet is allowed (a frame has at least 60 bytes on a real wire). */
export function parseArp(frame: Uint8Array): Parsed<ArpPacket, ArpDecline> {
  const reader = new ByteReader(frame);
  const { etherType } = readEtherType(reader);
  if (!reader.ok) return { ok: false, reason: 'truncated' };
  if (etherType !== ETHERTYPE_ARP) return { ok: false, reason: 'not_arp' };
  const formats = [reader.u16(), reader.u16(), reader.u8(), reader.u8()];
  const operation = reader.u16();
  const [senderMac, senderAddress] = [reader.bytes(6), reader.bytes(4)];
  const [targetMac, targetAddress] = [reader.bytes(6), reader.bytes(4)];
  if (!reader.ok) return { ok: false, reason: 'truncated' };
  if (formats[0] !== HARDWARE_ETHERNET || formats[1] !== PROTOCOL_IPV4 || formats[2] !== 6 || formats[3] !== 4) {
    return { ok: false, reason: 'not_ethernet_ipv4' };
  }
  if (operation !== OPERATION_REQUEST && operation !== OPERATION_REPLY) return { ok: false, reason: 'unknown_operation' };
  if (!isStationMac(senderMac)) return { ok: false, reason: 'sender_not_a_station' };
  return {
    ok: true,
    value: {
      operation: operation === OPERATION_REQUEST ? 'request' : 'reply',
      senderMac: formatMac(senderMac),
      senderAddress: formatIp(senderAddress),
      targetMac: formatMac(targetMac),
      targetAddress: formatIp(targetAddress),
    },
  };
}
