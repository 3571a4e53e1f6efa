/** Classic BPF that lets in only frames which may claim an address: on a busy link an agent in a real-time class must not wake for every question of others. */
import { ipBytes } from '../../base/address.ts';
import type { Instruction } from './packet.ts';

const LOAD_BYTE = 0x30;
const LOAD_HALF = 0x28;
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const WHOLE_PACKET = 0x4_0000;
/** Length of the Ethernet header. */
const PAYLOAD = 14;
const ARP_REPLY = 2;
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;

/** ARP replies, probes (sender 0.0.0.0), and requests in the name of one of the addresses; RFC 826 for the offsets. */
export function arpClaims(addresses: readonly string[]): readonly Instruction[] {
  const senders = [0, ...addresses.map(lastWord)];
  return [
    [LOAD_HALF, 0, 0, PAYLOAD + 6],
    [JUMP_IF_EQUAL, senders.length + 2, 0, ARP_REPLY],
    [LOAD_WORD, 0, 0, PAYLOAD + 14],
    ...anyOf(senders),
  ];
}

/**
 * Neighbour advertisements, and solicitations from `::` or in the name of one of the addresses, of which the last 32 bits are compared: a
 * frame too many is declined later. Directly after the IPv6 header, as RFC 4861 sends them.
 */
export function neighborClaims(addresses: readonly string[]): readonly Instruction[] {
  const sources = [0, ...addresses.map(lastWord)];
  const { length } = sources;
  return [
    [LOAD_BYTE, 0, 0, PAYLOAD + 6],
    [JUMP_IF_EQUAL, 0, length + 4, ICMPV6],
    [LOAD_BYTE, 0, 0, PAYLOAD + 40],
    [JUMP_IF_EQUAL, length + 3, 0, ADVERTISEMENT],
    [JUMP_IF_EQUAL, 0, length + 1, SOLICITATION],
    [LOAD_WORD, 0, 0, PAYLOAD + 20],
    ...anyOf(sources),
  ];
}

/** Accepts when the word loaded is one of these; the instruction before the last drops, the last accepts. */
function anyOf(words: readonly number[]): Instruction[] {
  const compare = words.map((word, i): Instruction => [JUMP_IF_EQUAL, words.length - i, 0, word]);
  return [...compare, [RETURN, 0, 0, 0], [RETURN, 0, 0, WHOLE_PACKET]];
}

function lastWord(address: string): number {
  const bytes = ipBytes(address);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4);
}
