/**
 * VRRP messages on one interface. They are sent by a raw socket (raw(7)), which also keeps the kernel from answering "protocol unreachable",
 * and heard as frames (packet.ts): those carry the TTL for both families, and come before the host's own firewall.
 */
import { type Family, formatIp, ipBytes } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import { ETHERTYPE_IPV6 } from '../../core/neighbor/ethernet.ts';
import { VRRP_PROTOCOL, vrrpGroup } from '../../core/vrrp/wire.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { VrrpLink, VrrpPacket } from '../../ports/vrrp.ts';
import * as libc from './libc.ts';
import type { Link } from './links.ts';
import { attachFilter, type Instruction, openPacketSocket } from './packet.ts';
import { socketAddressOf } from './socket-address.ts';

const ETHERTYPE_IPV4 = 0x0800;
const ETHERNET_BYTES = 14;
const IPV4_HEADER_BYTES = 20;
const IPV6_HEADER_BYTES = 40;
/** More fragments, and the offset. */
const FRAGMENTED = 0x3fff;
const TTL = 255;
/** Internetwork control (RFC 791 section 3.1), as keepalived marks them. */
const TRAFFIC_CLASS = 0xc0;

const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_TTL = 33;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MULTICAST_IF = 17;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_MULTICAST_LOOP = 19;
const IPV6_ADD_MEMBERSHIP = 20;
const IPV6_TCLASS = 67;

const LOAD_BYTE = 0x30;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
const WHOLE_PACKET = 0x4_0000;
const dropAll: readonly Instruction[] = [[RETURN, 0, 0, 0]];

export interface VrrpLinkOptions {
  link: Link;
  /** This host's own address on the interface; with IPv6 multicast the link-local one (RFC 9568 section 5.1.2.1). */
  source: string;
  family: Family;
  /** Unicast to these; without, multicast. */
  peers?: readonly string[];
}

/** Throws HaleError `vrrp_link_refused` or `raw_socket_refused`. */
export function openVrrpLink({ link, source, family, peers }: VrrpLinkOptions): VrrpLink {
  const group = vrrpGroup[family];
  const sender = openVrrpSender({ link, source, family });
  let handler: ((packet: VrrpPacket) => void) | undefined;
  const onFrame = (frame: Uint8Array): void => {
    const packet = parsers[family](frame.subarray(ETHERNET_BYTES));
    // A frame for another host is seen too while somebody watches the interface.
    if (packet !== undefined && (packet.to === group || packet.to === source)) handler?.(packet);
  };
  const ear = openEar(sender, () => openPacketSocket({ link, etherType: etherTypes[family], filter: filters[family], onFrame }));
  return {
    source,
    destinations: peers ?? [group],
    send: sender.send,
    onReceive(next) {
      handler = next;
    },
    close() {
      ear.close();
      sender.close();
    },
  };
}

export type VrrpSender = Pick<VrrpLink, 'send' | 'close'>;

/** The voice alone. Throws HaleError `vrrp_link_refused`. */
export function openVrrpSender(options: Pick<VrrpLinkOptions, 'link' | 'source' | 'family'>): VrrpSender {
  const { link } = options;
  const fd = openRaw(options);
  return { send: ({ to, bytes }) => send(fd, { to, bytes, link }), close: () => void libc.close(fd) };
}

function openRaw({ link, source, family }: Pick<VrrpLinkOptions, 'link' | 'source' | 'family'>): number {
  const domain = family === 'IPv4' ? libc.AF_INET : libc.AF_INET6;
  const fd = libc.socket(domain, libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, VRRP_PROTOCOL);
  if (fd < 0) throw refused(link, 'open a raw socket');
  const failed = (family === 'IPv4' ? prepare4 : prepare6)(fd, link) ?? bindTo(fd, source);
  if (failed === undefined) return fd;
  const error = refused(link, failed);
  libc.close(fd);
  throw error;
}

/** What the kernel refused; undefined when nothing. The socket receives nothing: its queue would only fill. */
function prepare4(fd: number, link: Link): string | undefined {
  // struct ip_mreqn: group, address of the interface, its index.
  const interfaceOnly = Buffer.concat([Buffer.alloc(8), libc.cInt(link.index)]);
  const membership = Buffer.concat([ipBytes(vrrpGroup.IPv4), Buffer.alloc(4), libc.cInt(link.index)]);
  return firstRefused([
    ['drop what arrives', () => attachFilter(fd, dropAll)],
    [`bind to ${link.name}`, () => bindToDevice(fd, link)],
    [
      'set the TTL',
      () => setAll(fd, IPPROTO_IP, { [IP_TTL]: TTL, [IP_MULTICAST_TTL]: TTL, [IP_MULTICAST_LOOP]: 0, [IP_TOS]: TRAFFIC_CLASS }),
    ],
    ['choose the interface', () => setBytes(fd, { level: IPPROTO_IP, name: IP_MULTICAST_IF, value: interfaceOnly })],
    [`join ${vrrpGroup.IPv4}`, () => setBytes(fd, { level: IPPROTO_IP, name: IP_ADD_MEMBERSHIP, value: membership })],
  ]);
}

function prepare6(fd: number, link: Link): string | undefined {
  const membership = Buffer.concat([ipBytes(vrrpGroup.IPv6), libc.cInt(link.index)]);
  const options = {
    [IPV6_UNICAST_HOPS]: TTL,
    [IPV6_MULTICAST_HOPS]: TTL,
    [IPV6_MULTICAST_LOOP]: 0,
    [IPV6_MULTICAST_IF]: link.index,
    [IPV6_TCLASS]: TRAFFIC_CLASS,
  };
  return firstRefused([
    ['drop what arrives', () => attachFilter(fd, dropAll)],
    [`bind to ${link.name}`, () => bindToDevice(fd, link)],
    ['set the hop limit', () => setAll(fd, IPPROTO_IPV6, options)],
    [`join ${vrrpGroup.IPv6}`, () => setBytes(fd, { level: IPPROTO_IPV6, name: IPV6_ADD_MEMBERSHIP, value: membership })],
  ]);
}

function firstRefused(steps: readonly (readonly [what: string, take: () => boolean])[]): string | undefined {
  return steps.find(([, take]) => !take())?.[0];
}

function bindToDevice(fd: number, link: Link): boolean {
  return setBytes(fd, { level: libc.SOL_SOCKET, name: SO_BINDTODEVICE, value: Buffer.from(`${link.name}\0`) });
}

function setBytes(fd: number, { level, name, value }: { level: number; name: number; value: Uint8Array }): boolean {
  return libc.setsockopt(fd, level, name, value, value.length) === 0;
}

function setAll(fd: number, level: number, options: Record<number, number>): boolean {
  return Object.entries(options).every(([name, value]) => libc.setIntOption(fd, { level, name: Number(name), value }));
}

function bindTo(fd: number, source: string): string | undefined {
  const address = socketAddressOf(source, 0);
  return libc.bind(fd, address, address.length) === 0 ? undefined : `send from ${source}`;
}

function openEar<T>(sender: VrrpSender, open: () => T): T {
  try {
    return open();
  } catch (error) {
    sender.close();
    throw error;
  }
}

function send(fd: number, { to, bytes, link }: { to: string; bytes: Uint8Array; link: Link }): Effect {
  const address = socketAddressOf(to, 0);
  if (libc.sendto(fd, bytes, bytes.length, 0, address, address.length) === bytes.length) return done;
  return { ok: false, reason: `send to ${to} on ${link.name}: ${libc.errnoName(libc.lastErrno())}` };
}

const etherTypes: Record<Family, number> = { IPv4: ETHERTYPE_IPV4, IPv6: ETHERTYPE_IPV6 };
/** By the protocol and the next header. */
const filters: Record<Family, readonly Instruction[]> = { IPv4: onlyVrrp(9), IPv6: onlyVrrp(6) };
const parsers: Record<Family, (packet: Uint8Array) => VrrpPacket | undefined> = { IPv4: parseIpv4Packet, IPv6: parseIpv6Packet };

function onlyVrrp(protocolAt: number): readonly Instruction[] {
  return [
    [LOAD_BYTE, 0, 0, ETHERNET_BYTES + protocolAt],
    [JUMP_IF_EQUAL, 0, 1, VRRP_PROTOCOL],
    [RETURN, 0, 0, WHOLE_PACKET],
    [RETURN, 0, 0, 0],
  ];
}

/** RFC 791 section 3.1. Undefined for what is damaged, a fragment, or no VRRP. */
export function parseIpv4Packet(packet: Uint8Array): VrrpPacket | undefined {
  if (packet.length < IPV4_HEADER_BYTES) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const headerBytes = (view.getUint8(0) & 0x0f) * 4;
  const totalBytes = view.getUint16(2);
  const whole = headerBytes >= IPV4_HEADER_BYTES && totalBytes >= headerBytes && totalBytes <= packet.length;
  if (view.getUint8(0) >> 4 !== 4 || !whole || (view.getUint16(6) & FRAGMENTED) !== 0 || view.getUint8(9) !== VRRP_PROTOCOL)
    return undefined;
  return {
    from: formatIp(packet.subarray(12, 16)),
    to: formatIp(packet.subarray(16, 20)),
    ttl: view.getUint8(8),
    bytes: packet.subarray(headerBytes, totalBytes),
  };
}

/** RFC 8200 section 3. Extension headers are declined, as nobody sends any here. */
export function parseIpv6Packet(packet: Uint8Array): VrrpPacket | undefined {
  if (packet.length < IPV6_HEADER_BYTES) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const end = IPV6_HEADER_BYTES + view.getUint16(4);
  if (view.getUint8(0) >> 4 !== 6 || view.getUint8(6) !== VRRP_PROTOCOL || end > packet.length) return undefined;
  return {
    from: formatIp(packet.subarray(8, 24)),
    to: formatIp(packet.subarray(24, 40)),
    ttl: view.getUint8(7),
    bytes: packet.subarray(IPV6_HEADER_BYTES, end),
  };
}

function refused(link: Link, step: string): HaleError {
  const errno = libc.lastErrno();
  return new HaleError({
    code: 'vrrp_link_refused',
    kind: 'world',
    message: `VRRP on interface ${link.name}: could not ${step}: ${libc.errnoName(errno)}`,
    remedy:
      errno === libc.EPERM
        ? 'Run as root, or give the process CAP_NET_RAW.'
        : 'Compare the interface and its addresses with `ip address`: the source has to be there, and not tentative.',
  });
}
