import { macBytes } from '../../base/address.ts';
import { type ByteReader, ByteWriter } from '../../base/bytes.ts';

export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';
export const ZERO_MAC = '00:00:00:00:00:00';

/** What was read from a frame, or why it is not acted on. */
export type Parsed<Value, Reason extends string> = { ok: true; value: Value } | { ok: false; reason: Reason };

export interface EthernetHeader {
  destination: string;
  source: string;
  etherType: number;
}

/** Starts a frame; the payload follows with the writer it returns. */
export function startFrame(header: EthernetHeader): ByteWriter {
  return new ByteWriter().bytes(macBytes(header.destination)).bytes(macBytes(header.source)).u16(header.etherType);
}

/** Skips the two addresses and returns the type; check `reader.ok` afterwards. */
export function readEtherType(reader: ByteReader): { source: Uint8Array; etherType: number } {
  reader.bytes(6);
  return { source: reader.bytes(6), etherType: reader.u16() };
}

/** A station's own address: the group bit is clear and it is not all zeros. */
export function isStationMac(bytes: Uint8Array): boolean {
  return bytes.length === 6 && ((bytes[0] as number) & 1) === 0 && bytes.some((byte) => byte !== 0);
}
