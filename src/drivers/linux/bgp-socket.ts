/** Options of TCP sockets between BGP speakers: tcp(7), ip(7), ipv6(7), include/uapi/linux/tcp.h. */
import { assert } from '../../base/assert.ts';
import { familyOf, formatIp } from '../../base/address.ts';
import type { BgpPeerAddress } from '../../ports/bgp.ts';
import { type Effect, done } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import { socketAddressOf } from './socket-address.ts';

const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_MINTTL = 21;
const IPV6_UNICAST_HOPS = 16;
const IPV6_TCLASS = 67;
const IPV6_MINHOPCOUNT = 73;
const TCP_NODELAY = 1;
const TCP_MD5SIG = 14;
const TCP_USER_TIMEOUT = 18;

/** CS6, network control (RFC 4594 section 3.1). */
const NETWORK_CONTROL = 0xc0;
/** RFC 5082 section 3. */
const SECURE_TTL = 255;
/** A peer that takes nothing for so long is gone, also one that goes on sending: the least SendHoldTime of RFC 9687 section 4. */
const SEND_HOLD_MS = 480_000;

// struct tcp_md5sig: sockaddr_storage of 128 bytes, then flags, prefix length, key length of 16 bits, interface index, key.
const MD5_KEY_LENGTH_AT = 130;
const MD5_KEY_AT = 136;
const MD5_KEY_MOST = 80;

interface Option {
  label: string;
  level: number;
  name: number;
  value: number;
}

type SocketPeer = Pick<BgpPeerAddress, 'address' | 'ttl' | 'ttlSecurityHops' | 'password'>;

/** On a socket of one peer, before it connects or before a byte of it is read. */
export function setPeerOptions(fd: number, peer: SocketPeer): Effect {
  const set = setOptions(fd, [
    ...commonOptions(peer.address),
    sentTtl(peer.address, ttlOf(peer)),
    ...(peer.ttlSecurityHops === undefined ? [] : [leastTtl(peer.address, leastTtlOf(peer))]),
  ]);
  return set.ok ? setKey(fd, peer) : set;
}

/**
 * On a socket that is going to listen for all of them. Its TTL is that of the answer to a SYN, so it is the highest that one of them needs;
 * RFC 5082's least TTL is set only as far as all of them allow it.
 */
export function setListenerOptions(fd: number, { address, peers }: { address: string; peers: readonly SocketPeer[] }): Effect {
  const own = peers.filter((peer) => familyOf(peer.address) === familyOf(address));
  const highest = Math.max(...own.map(ttlOf));
  const least = Math.min(...own.map(leastTtlOf));
  const set = setOptions(fd, [
    ...commonOptions(address),
    ...(own.length > 0 ? [sentTtl(address, highest)] : []),
    ...(own.length > 0 && least > 0 ? [leastTtl(address, least)] : []),
  ]);
  return own.reduce((effect: Effect, peer) => (effect.ok ? setKey(fd, peer) : effect), set);
}

function ttlOf({ ttl, ttlSecurityHops }: SocketPeer): number {
  return ttlSecurityHops === undefined ? ttl : SECURE_TTL;
}

function leastTtlOf({ ttlSecurityHops }: SocketPeer): number {
  return ttlSecurityHops === undefined ? 0 : SECURE_TTL + 1 - ttlSecurityHops;
}

function commonOptions(address: string): Option[] {
  return [
    { label: 'TCP_NODELAY', level: IPPROTO_TCP, name: TCP_NODELAY, value: 1 },
    { label: 'TCP_USER_TIMEOUT', level: IPPROTO_TCP, name: TCP_USER_TIMEOUT, value: SEND_HOLD_MS },
    familyOf(address) === 'IPv6'
      ? { label: 'IPV6_TCLASS', level: IPPROTO_IPV6, name: IPV6_TCLASS, value: NETWORK_CONTROL }
      : { label: 'IP_TOS', level: IPPROTO_IP, name: IP_TOS, value: NETWORK_CONTROL },
  ];
}

function sentTtl(address: string, value: number): Option {
  return familyOf(address) === 'IPv6'
    ? { label: 'IPV6_UNICAST_HOPS', level: IPPROTO_IPV6, name: IPV6_UNICAST_HOPS, value }
    : { label: 'IP_TTL', level: IPPROTO_IP, name: IP_TTL, value };
}

function leastTtl(address: string, value: number): Option {
  return familyOf(address) === 'IPv6'
    ? { label: 'IPV6_MINHOPCOUNT', level: IPPROTO_IPV6, name: IPV6_MINHOPCOUNT, value }
    : { label: 'IP_MINTTL', level: IPPROTO_IP, name: IP_MINTTL, value };
}

function setOptions(fd: number, options: readonly Option[]): Effect {
  for (const option of options) {
    if (!libc.setIntOption(fd, option)) return refused(`setsockopt ${option.label}`);
  }
  return done;
}

/** Before there is a socket that would stay. */
export function assertKeyFits({ password }: SocketPeer): void {
  const length = password === undefined ? 1 : Buffer.byteLength(password);
  assert(length > 0 && length <= MD5_KEY_MOST, 'a TCP MD5 key has 1 to 80 bytes');
}

/** RFC 2385. Segments of this peer without the right signature are dropped by the kernel, which says nothing. */
function setKey(fd: number, { address, password }: SocketPeer): Effect {
  if (password === undefined) return done;
  const key = Buffer.from(password);
  const bytes = Buffer.alloc(MD5_KEY_AT + MD5_KEY_MOST);
  bytes.set(socketAddressOf(address, 0));
  bytes.writeUInt16LE(key.length, MD5_KEY_LENGTH_AT);
  bytes.set(key, MD5_KEY_AT);
  const set = libc.setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, bytes, bytes.length) === 0;
  return set ? done : refused('setsockopt TCP_MD5SIG');
}

/** The error of the last call that failed. */
export function refused(step: string): { ok: false; reason: string } {
  return { ok: false, reason: `${step}: ${libc.errnoName(libc.lastErrno())}` };
}

/** This host's address of a connected socket, in the form of `formatIp`. */
export function localAddressOf(fd: number): string {
  const address = Buffer.alloc(28);
  assert(libc.getsockname(fd, address, Uint32Array.of(address.length)) === 0, 'the descriptor is an open socket');
  return formatIp(address.readUInt16LE(0) === libc.AF_INET6 ? address.subarray(8, 24) : address.subarray(4, 8));
}
