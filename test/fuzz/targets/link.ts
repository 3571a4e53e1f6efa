/** What the link carries: ARP, neighbour discovery, and the SYN-ACKs that a drill knocks for. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { formatIp, formatMac, parseIp, parseMac } from '../../../src/base/address.ts';
import { arpAnnouncement, arpGratuitousReply, arpProbe, arpRequest, parseArp } from '../../../src/core/neighbor/arp.ts';
import { claimOfFrame } from '../../../src/core/neighbor/claim.ts';
import { duplicateAddressSolicitation, neighborSolicitation, parseNdp, unsolicitedAdvertisement } from '../../../src/core/neighbor/ndp.ts';
import { checksum } from '../../../src/core/balancer/segment.ts';
import { parseSynAck, synFrame } from '../../../src/lab/probe/syn.ts';
import type { Target } from '../target.ts';

const mac = '02:00:5e:10:00:01';
const speaker = { mac, address: '10.0.0.100', target: '10.0.0.11' };
const speaker6 = { mac, address: 'fd00::100', target: 'fd00::11' };
const ARP_FRAME_BYTES = 42;

const arp: Target = {
  name: 'arp',
  property: 'an ARP frame is declined, or its fields stand in the frame at the offsets of RFC 826, and padding changes nothing',
  seeds: [arpProbe(speaker), arpRequest(speaker), arpAnnouncement(speaker), arpGratuitousReply(speaker)],
  maxLength: 128,
  run(input) {
    const parsed = parseArp(input);
    checkClaim(input, parsed.ok);
    if (!parsed.ok) return;
    const { operation, senderMac, senderAddress, targetMac, targetAddress } = parsed.value;
    equal(input[21], operation === 'request' ? 1 : 2);
    equal(senderMac, formatMac(input.subarray(22, 28)));
    equal(senderAddress, formatIp(input.subarray(28, 32)));
    equal(targetMac, formatMac(input.subarray(32, 38)));
    equal(targetAddress, formatIp(input.subarray(38, 42)));
    deepEqual(parseArp(input.subarray(0, ARP_FRAME_BYTES)), parsed);
    equal(parseArp(input.subarray(0, ARP_FRAME_BYTES - 1)).ok, false);
  },
};

const ETHERNET_BYTES = 14;
const ICMPV6_START = ETHERNET_BYTES + 40;

/** Length and checksum as the rest of the frame demands, so that changes reach what is checked after them. */
function repairNdp(frame: Uint8Array): Uint8Array {
  if (frame.length < ICMPV6_START + 4) return frame;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const message = frame.subarray(ICMPV6_START);
  view.setUint16(ETHERNET_BYTES + 4, message.length);
  view.setUint16(ICMPV6_START + 2, 0);
  const even = message.length % 2 === 0 ? message : Uint8Array.of(...message, 0);
  const pseudo = Uint8Array.of(message.length >> 8, message.length & 0xff, 0, 58);
  view.setUint16(ICMPV6_START + 2, checksum([frame.subarray(ETHERNET_BYTES + 8, ICMPV6_START), pseudo, even]));
  return frame;
}

/** A solicited answer to one host, in the block whose text begins like that of multicast: 00ff::1 is written ff::1. */
function answerToOne(): Uint8Array {
  const frame = unsolicitedAdvertisement(speaker6);
  frame.set(parseIp('ff::1') as Uint8Array, ETHERNET_BYTES + 24);
  frame[ICMPV6_START + 4] = 0x60;
  return repairNdp(frame);
}

const ndp: Target = {
  name: 'ndp',
  property:
    'a neighbour discovery frame is declined, or it keeps to RFC 4861 section 7.1, and no single flipped bit of its message is accepted',
  seeds: [duplicateAddressSolicitation(speaker6), neighborSolicitation(speaker6), unsolicitedAdvertisement(speaker6), answerToOne()],
  maxLength: 256,
  repair: repairNdp,
  run(input) {
    const parsed = parseNdp(input);
    checkClaim(input, parsed.ok);
    if (!parsed.ok) return ok(parsed.reason !== 'solicited_to_multicast' || input[ETHERNET_BYTES + 24] === 0xff, 'sent to one host');
    const { kind, target, linkAddress, solicited, source } = parsed.value;
    equal(input[ICMPV6_START], kind === 'solicitation' ? 135 : 136);
    equal(input[ETHERNET_BYTES + 7], 255, 'hop limit');
    equal(target, formatIp(input.subarray(ICMPV6_START + 8, ICMPV6_START + 24)));
    ok(input[ICMPV6_START + 8] !== 0xff, 'the target is multicast');
    ok(!(kind === 'solicitation' && solicited), 'a solicitation is not solicited');
    ok(linkAddress === undefined || source !== '::' || kind === 'advertisement', 'a link address from nobody');
    const length = ((input[ETHERNET_BYTES + 4] as number) << 8) | (input[ETHERNET_BYTES + 5] as number);
    ok(
      optionsAreWhole(input.subarray(ICMPV6_START + 24, ICMPV6_START + length)),
      'options that do not fill the message (RFC 4861 section 4.6)',
    );
    const at = ICMPV6_START + ((input[ICMPV6_START + 3] as number) % length);
    equal(parseNdp(input.with(at, (input[at] as number) ^ 1)).ok, false, `bit 0 of byte ${at} flipped`);
  },
};

/** Each says its length in units of 8 bytes, never 0. */
function optionsAreWhole(options: Uint8Array): boolean {
  let at = 0;
  while (at + 1 < options.length && options[at + 1] !== 0) at += (options[at + 1] as number) * 8;
  return at === options.length;
}

/** A claim is made of every frame that either parser accepts, with addresses that read back. */
function checkClaim(frame: Uint8Array, accepted: boolean): void {
  const claim = claimOfFrame(frame);
  if (accepted) ok(claim !== undefined, 'an accepted frame makes no claim');
  if (claim === undefined) return;
  ok(parseMac(claim.mac) !== undefined, `MAC ${claim.mac}`);
  equal(formatIp(parseIp(claim.address) as Uint8Array), claim.address);
}

const ends = { sourceMac: mac, targetMac: '02:00:00:00:00:02', sourcePort: 61_001, targetPort: 6443 };
const SYN_ACK = 0x12;

/** What a host that accepts would answer to the knock. */
function answered(frame: Uint8Array): Uint8Array {
  frame[frame.length - 7] = SYN_ACK;
  return frame;
}

const ipv4SynAck = answered(synFrame({ ...ends, source: '10.0.0.250', target: '10.0.0.100' }, { sequence: 1 }));
const ipv6SynAck = answered(synFrame({ ...ends, source: 'fd00::250', target: 'fd00::100' }, { sequence: 1 }));

/** A SYN-ACK with 4 bytes of IPv4 options. */
function withOptions(frame: Uint8Array): Uint8Array {
  const longer = Uint8Array.of(...frame.subarray(0, 34), 1, 1, 1, 1, ...frame.subarray(34));
  longer[14] = 0x46;
  longer[17] = 44;
  return longer;
}

const synAck: Target = {
  name: 'syn-ack',
  property: 'a frame is declined, or it is an unfragmented TCP segment right behind a whole IP header, with exactly SYN and ACK set',
  seeds: [ipv4SynAck, ipv6SynAck, withOptions(ipv4SynAck)],
  maxLength: 160,
  run(input) {
    const parsed = parseSynAck(input);
    if (parsed === undefined) return;
    const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    const isIpv4 = view.getUint16(12) === 0x0800;
    equal(view.getUint8(14) >> 4, isIpv4 ? 4 : 6, 'the version in the IP header');
    if (isIpv4) ok((view.getUint8(14) & 0x0f) >= 5, 'an IPv4 header has 20 bytes');
    if (isIpv4) equal(view.getUint16(20) & 0x3fff, 0, 'a fragment');
    equal(view.getUint8(isIpv4 ? 23 : 20), 6, 'the protocol');
    const tcp = 14 + (isIpv4 ? (view.getUint8(14) & 0x0f) * 4 : 40);
    equal(parsed.mac, formatMac(input.subarray(6, 12)));
    equal(parsed.sourcePort, view.getUint16(tcp));
    equal(parsed.targetPort, view.getUint16(tcp + 2));
    equal(parsed.acknowledgement, view.getUint32(tcp + 8));
    equal(view.getUint8(tcp + 13) & 0x3f, SYN_ACK);
  },
};

export const linkTargets: readonly Target[] = [arp, ndp, synAck];
