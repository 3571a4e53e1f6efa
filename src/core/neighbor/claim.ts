/** What a heard frame says about who uses an address. */
import { type ArpPacket, parseArp } from './arp.ts';
import { type NdpPacket, parseNdp } from './ndp.ts';

export interface Claim {
  address: string;
  mac: string;
  /** `probe`: somebody asks before taking the address; the other two use it already. */
  kind: 'answer' | 'announcement' | 'probe';
}

/** Claims in an ARP packet: any sender address other than 0.0.0.0 is one, in requests too (RFC 5227 section 2.4). */
export function claimOfArp(packet: ArpPacket): Claim {
  const { senderMac: mac, senderAddress, targetAddress } = packet;
  if (senderAddress === '0.0.0.0') return { address: targetAddress, mac, kind: 'probe' };
  const answers = packet.operation === 'reply' && senderAddress !== targetAddress;
  return { address: senderAddress, mac, kind: answers ? 'answer' : 'announcement' };
}

/** Claims in a neighbour discovery packet; an answer to a solicitation from `::` is sent to all nodes and reads like an announcement (RFC 4861 section 7.2.4). */
export function claimOfNdp(packet: NdpPacket): Claim {
  const mac = packet.linkAddress ?? packet.etherSource;
  if (packet.kind === 'advertisement') return { address: packet.target, mac, kind: packet.solicited ? 'answer' : 'announcement' };
  if (packet.source === '::') return { address: packet.target, mac, kind: 'probe' };
  return { address: packet.source, mac, kind: 'announcement' };
}

/** Undefined when the frame is neither a well-formed ARP nor a well-formed neighbour discovery packet. */
export function claimOfFrame(frame: Uint8Array): Claim | undefined {
  const arp = parseArp(frame);
  if (arp.ok) return claimOfArp(arp.value);
  const ndp = parseNdp(frame);
  return ndp.ok ? claimOfNdp(ndp.value) : undefined;
}
