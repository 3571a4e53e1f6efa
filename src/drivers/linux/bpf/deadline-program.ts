/**
 * The programs behind deadline.ts. Incoming: ARP requests and neighbour solicitations for an address, and packets to it. Outgoing: ARP
 * and packets in its name. They are dropped when the boot-time clock is at or past the deadline; everything else goes on to whatever
 * comes next at the hook. Where every host serves the address (direct server return), packets from a member's MAC pass, as the holder has
 * steered them here, and TCP may leave in the address's name.
 *
 * Fields are read with bpf_skb_load_bytes, which also finds what a driver left outside the linear part of a packet. A packet too short
 * for the field is not one that the kernel would answer.
 */
import { ipBytes } from '../../../base/address.ts';
import {
  and,
  assemble,
  call,
  copy,
  exit,
  jump,
  jumpIfAtLeast,
  jumpIfEqual,
  jumpIfNegative,
  jumpIfNotEqual,
  jumpIfSame,
  label,
  type Line,
  load,
  loadFromStack,
  mapValueAddress,
  set,
  shiftLeft,
  stackAddress,
} from './assembler.ts';

/** bpf_skb_load_bytes(context, offset, to, length): 0, or negative when the packet is shorter. */
const SKB_LOAD_BYTES = 26;
/** bpf_ktime_get_boot_ns(): CLOCK_BOOTTIME without the offset of a time namespace (Linux 5.8). */
const KTIME_GET_BOOT_NS = 125;
/** Goes on to the next filter. */
const TC_ACT_UNSPEC = -1;
const TC_ACT_SHOT = 2;
/** struct __sk_buff: what the network card or the kernel took out of the frame as its VLAN tag. */
const SKB_VLAN_TCI = 24;
const VLAN_ID_MASK = 0xfff;

const ETHER_SOURCE = 6;
const ETHER_TYPE = { offset: 12, arp: 0x0806, ipv4: 0x0800, ipv6: 0x86dd } as const;
const IP = 14;
/** RFC 826, Ethernet and IPv4. */
const ARP = { operation: IP + 6, sender: IP + 14, target: IP + 24, request: 1 } as const;
const PROTOCOL_TCP = 6;
const IPV4 = { protocol: IP + 9, source: IP + 12, destination: IP + 16 } as const;
const IPV6 = { nextHeader: IP + 6, source: IP + 8, destination: IP + 24, icmp: 58 } as const;
/** RFC 4861 section 4.3, right behind the IPv6 header. */
const SOLICITATION = { type: IP + 40, target: IP + 48, number: 135 } as const;

const CONTEXT = 6;
/** Survives calls. */
const SENDER = 7;
const FIELD = -16;

export interface DeadlineProgramOptions {
  addresses: readonly string[];
  /** An array map of one value of `CELL_WORDS` words: the deadline in nanoseconds of boot time, then the members' MACs as `macWord` has them. */
  mapFd: number;
  /** Whether members serve the address that one of them holds. */
  steering: boolean;
}

const MEMBERS_MAX = 7;
export const CELL_WORDS = 1 + MEMBERS_MAX;
/** Equal to no sender. */
export const NO_MEMBER = 1n;

/** The sender as the program has it: the first 8 bytes from the sender's MAC on, as a little-endian number without what is behind the MAC. */
export function macWord(mac: Uint8Array): bigint {
  return mac.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n) << 16n;
}

export function incomingProgram({ addresses, mapFd, steering }: DeadlineProgramOptions): Buffer {
  const [v4, v6] = byFamily(addresses);
  const packet = steering ? 'steered' : 'guarded';
  return program(mapFd, {
    arp: v4.length === 0 ? [] : requestOfAnother(v4),
    ipv4: wanted(IPV4.destination, v4, packet),
    ipv6: v6.length === 0 ? [] : [...wanted(IPV6.destination, v6, packet), ...solicitation(v6)],
    exception: steering ? [label('steered'), ...fromMember(mapFd), jump('guarded')] : [],
  });
}

export function outgoingProgram({ addresses, mapFd, steering }: DeadlineProgramOptions): Buffer {
  const [v4, v6] = byFamily(addresses);
  return program(mapFd, {
    arp: wanted(ARP.sender, v4, 'guarded'),
    ipv4: wanted(IPV4.source, v4, steering ? 'served4' : 'guarded'),
    ipv6: wanted(IPV6.source, v6, steering ? 'served6' : 'guarded'),
    // The verifier refuses what no jump leads to.
    exception: [
      ...(steering && v4.length > 0 ? [label('served4'), ...tcp(IPV4.protocol), jump('guarded')] : []),
      ...(steering && v6.length > 0 ? [label('served6'), ...tcp(IPV6.nextHeader), jump('guarded')] : []),
    ],
  });
}

/** What another member has steered to this host passes. */
function fromMember(mapFd: number): Line[] {
  const compare = Array.from({ length: MEMBERS_MAX }, (_, i) => [
    load(2, 8, { base: 1, offset: 8 * (1 + i) }),
    jumpIfSame(SENDER, 2, 'pass'),
  ]).flat();
  return [...field(ETHER_SOURCE, 8), loadFromStack(SENDER, 8, FIELD), shiftLeft(SENDER, 16), mapValueAddress(1, mapFd), ...compare];
}

/** TCP passes; with IPv6 extension headers it is left to the deadline. */
function tcp(protocolAt: number): Line[] {
  return [...field(protocolAt, 1), loadFromStack(1, 1, FIELD), jumpIfEqual(1, PROTOCOL_TCP, 'pass')];
}

/** What a part does not jump away with passes. Frames of a VLAN are not for this interface, except those of number 0, which only carry a priority. */
function program(mapFd: number, parts: { arp: Line[]; ipv4: Line[]; ipv6: Line[]; exception: Line[] }): Buffer {
  return assemble([
    copy(CONTEXT, 1),
    load(1, 4, { base: CONTEXT, offset: SKB_VLAN_TCI }),
    and(1, VLAN_ID_MASK),
    jumpIfNotEqual(1, 0, 'pass'),
    ...field(ETHER_TYPE.offset, 2),
    loadFromStack(1, 2, FIELD),
    jumpIfEqual(1, inMemory16(ETHER_TYPE.ipv4), 'ipv4'),
    jumpIfEqual(1, inMemory16(ETHER_TYPE.ipv6), 'ipv6'),
    jumpIfEqual(1, inMemory16(ETHER_TYPE.arp), 'arp'),
    jump('pass'),
    label('arp'),
    ...parts.arp,
    jump('pass'),
    label('ipv4'),
    ...parts.ipv4,
    jump('pass'),
    label('ipv6'),
    ...parts.ipv6,
    jump('pass'),
    ...parts.exception,
    label('guarded'),
    call(KTIME_GET_BOOT_NS),
    mapValueAddress(1, mapFd),
    load(1, 8, { base: 1, offset: 0 }),
    jumpIfAtLeast(0, 1, 'drop'),
    label('pass'),
    set(0, TC_ACT_UNSPEC),
    exit,
    label('drop'),
    set(0, TC_ACT_SHOT),
    exit,
  ]);
}

/** Copies bytes of the packet to the stack; the packet passes when it is too short. */
function field(offset: number, length: number): Line[] {
  return [copy(1, CONTEXT), set(2, offset), stackAddress(3, FIELD), set(4, length), call(SKB_LOAD_BYTES), jumpIfNegative(0, 'pass')];
}

/** Jumps when the field holds one of the addresses, of one family. */
function wanted(offset: number, addresses: readonly Uint8Array[], target: string): Line[] {
  const [first] = addresses;
  if (first === undefined) return [];
  const perAddress = addresses.flatMap((address, i) => {
    const next = `${offset}+${first.length} is not ${i}`;
    const words = words32(address).flatMap((word, at) => [loadFromStack(1, 4, FIELD + at * 4), jumpIfNotEqual(1, word, next)]);
    return [...words, jump(target), label(next)];
  });
  return [...field(offset, first.length), ...perAddress];
}

/** An ARP request for the address is guarded, unless its sender has the address itself: that is an announcement, and must be heard (RFC 5227). */
function requestOfAnother(addresses: readonly Uint8Array[]): Line[] {
  return [
    ...field(ARP.operation, 2),
    loadFromStack(1, 2, FIELD),
    jumpIfNotEqual(1, inMemory16(ARP.request), 'pass'),
    ...wanted(ARP.sender, addresses, 'pass'),
    ...wanted(ARP.target, addresses, 'guarded'),
  ];
}

function solicitation(addresses: readonly Uint8Array[]): Line[] {
  return [
    ...field(IPV6.nextHeader, 1),
    loadFromStack(1, 1, FIELD),
    jumpIfNotEqual(1, IPV6.icmp, 'pass'),
    ...field(SOLICITATION.type, 1),
    loadFromStack(1, 1, FIELD),
    jumpIfNotEqual(1, SOLICITATION.number, 'pass'),
    ...wanted(SOLICITATION.target, addresses, 'guarded'),
  ];
}

function byFamily(addresses: readonly string[]): [v4: Uint8Array[], v6: Uint8Array[]] {
  const parsed = addresses.map((address) => ipBytes(address));
  return [parsed.filter((bytes) => bytes.length === 4), parsed.filter((bytes) => bytes.length === 16)];
}

function words32(bytes: Uint8Array): number[] {
  return Array.from({ length: bytes.length / 4 }, (_, i) => Buffer.from(bytes).readInt32LE(i * 4));
}

/** A number in network order as a little-endian host loads it. */
function inMemory16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}
