/** UDP for BFD: RFC 5881 sections 4 and 5, RFC 5883 section 5. */
import { randomInt } from 'node:crypto';
import { type Family, familyOf, ipBytes } from '../../base/address.ts';
import type { BfdLink, BfdPacket, BfdSocket } from '../../ports/bfd.ts';
import { done, type Effect } from '../../ports/effect.ts';
import { type DatagramReceiver, openDatagramReceiver } from './datagram-receiver.ts';
import * as libc from './libc.ts';
import { socketAddress, socketAddressOf } from './socket-address.ts';

const SINGLE_HOP_PORT = 3784;
const MULTIHOP_PORT = 4784;
const FIRST_SOURCE_PORT = 49_152;
const LAST_SOURCE_PORT = 65_535;
const SOURCE_PORT_TRIES = 64;

const SOL_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const SOL_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_TCLASS = 67;
const TTL = 255;
/** Class Selector 6, network control (RFC 2474 section 4.2.2.2). */
const CS6 = 0xc0;

type Peer = Parameters<BfdLink['openSession']>[0];
type Opened = { ok: true; fd: number } | { ok: false; reason: string };

/** Listens on a port as soon as a session needs it, and as long as the link is open. Link-local addresses are not served, as a session has no zone. */
export function openBfdLink(): BfdLink {
  const receivers = new Map<string, DatagramReceiver>();
  const sockets = new Set<BfdSocket>();
  let handler: (packet: BfdPacket & { multihop: boolean }) => void = () => undefined;
  const listen = (family: Family, multihop: boolean): Effect => {
    const port = multihop ? MULTIHOP_PORT : SINGLE_HOP_PORT;
    const key = `${family} ${port}`;
    if (receivers.has(key)) return done;
    const opened = openDatagramReceiver({ family, port, onDatagram: (datagram) => handler({ ...datagram, multihop }) });
    if (!opened.ok) return { ok: false, reason: `listen on UDP port ${port} (${family}): ${opened.reason}${hintFor(opened.reason)}` };
    receivers.set(key, opened.receiver);
    return done;
  };
  return {
    openSession(peer) {
      const socket = openBfdSocket(peer, () => listen(familyOf(peer.localAddress), peer.multihop));
      sockets.add(socket);
      return {
        send: (bytes) => socket.send(bytes),
        close: () => {
          sockets.delete(socket);
          socket.close();
        },
      };
    },
    onReceive: (handle) => void (handler = handle),
    receiveWaiting() {
      for (const receiver of receivers.values()) receiver.receiveWaiting();
    },
    close() {
      for (const socket of sockets) socket.close();
      for (const receiver of receivers.values()) receiver.close();
      sockets.clear();
      receivers.clear();
    },
  };
}

function hintFor(reason: string): string {
  return reason === 'EADDRINUSE' ? ', another BFD program of this host has it' : '';
}

function openBfdSocket({ localAddress, remoteAddress, multihop }: Peer, listen: () => Effect): BfdSocket {
  const local = ipBytes(localAddress);
  const to = socketAddressOf(remoteAddress, multihop ? MULTIHOP_PORT : SINGLE_HOP_PORT);
  let fd: number | undefined;
  let closed = false;
  const ready = (): Effect => {
    const listening = listen();
    if (!listening.ok || fd !== undefined) return listening;
    const opened = openSender(local);
    if (!opened.ok) return { ok: false, reason: `send from ${localAddress}: ${opened.reason}` };
    fd = opened.fd;
    return done;
  };
  // What arrives before the first packet goes out is for this session too.
  ready();
  return {
    send(bytes) {
      if (closed) return { ok: false, reason: 'the session is closed' };
      const effect = ready();
      if (!effect.ok) return effect;
      if (libc.sendto(fd as number, bytes, bytes.length, 0, to, to.length) === bytes.length) return done;
      return { ok: false, reason: `send to ${remoteAddress}: ${libc.errnoName(libc.lastErrno())}` };
    },
    close() {
      closed = true;
      if (fd !== undefined) libc.close(fd);
      fd = undefined;
    },
  };
}

/** A socket of the session's own source port, from which nothing is read. It is not connected, so that an ICMP error costs no packet. */
function openSender(local: Uint8Array): Opened {
  const isIpv6 = local.length === 16;
  const fd = libc.socket(isIpv6 ? libc.AF_INET6 : libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  if (fd < 0) return { ok: false, reason: libc.errnoName(libc.lastErrno()) };
  const [level, ttl, trafficClass] = isIpv6 ? [SOL_IPV6, IPV6_UNICAST_HOPS, IPV6_TCLASS] : [SOL_IP, IP_TTL, IP_TOS];
  const isReady =
    libc.setIntOption(fd, { level, name: ttl, value: TTL }) &&
    libc.setIntOption(fd, { level, name: trafficClass, value: CS6 }) &&
    bindSourcePort(fd, local);
  if (isReady) return { ok: true, fd };
  const reason = libc.errnoName(libc.lastErrno());
  libc.close(fd);
  return { ok: false, reason };
}

/** RFC 5881 section 4: of 49152 to 65535, and no other session's. */
function bindSourcePort(fd: number, local: Uint8Array): boolean {
  for (let attempt = 0; attempt < SOURCE_PORT_TRIES; attempt++) {
    const address = socketAddress(local, randomInt(FIRST_SOURCE_PORT, LAST_SOURCE_PORT + 1));
    if (libc.bind(fd, address, address.length) === 0) return true;
    if (libc.lastErrno() !== libc.EADDRINUSE) return false;
  }
  return false;
}
