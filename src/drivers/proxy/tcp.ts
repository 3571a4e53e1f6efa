/** TCP sockets of the proxy: tcp(7), RFC 9293, RFC 5482 (user timeout). */
import { constants } from 'node:os';
import * as libc from '../linux/libc.ts';
import { listenFreebind, listenRefused } from '../linux/listen.ts';
import { socketAddressOf } from '../linux/socket-address.ts';

const IPPROTO_TCP = 6;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const SO_LINGER = 13;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_INFO = 11;
const TCP_USER_TIMEOUT = 18;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
/** As many as the kernel allows by default (net.core.somaxconn). */
const BACKLOG = 4096;

const KEEPALIVE_IDLE_SECONDS = 15;
const KEEPALIVE_INTERVAL_SECONDS = 5;
const KEEPALIVE_PROBES = 3;
/**
 * A peer that acknowledges nothing for so long is gone. Where it is set it also decides how many keep-alive probes may go unanswered, whatever
 * TCP_KEEPCNT says (net/ipv4/tcp_timer.c); just below 15 s + 3 * 5 s it leaves all three. client-go gives a connection up after 45 s.
 */
export const USER_TIMEOUT_MS = 29_000;

const options = [
  { level: IPPROTO_TCP, name: TCP_NODELAY, value: libc.cInt(1) },
  { level: libc.SOL_SOCKET, name: SO_KEEPALIVE, value: libc.cInt(1) },
  { level: IPPROTO_TCP, name: TCP_KEEPIDLE, value: libc.cInt(KEEPALIVE_IDLE_SECONDS) },
  { level: IPPROTO_TCP, name: TCP_KEEPINTVL, value: libc.cInt(KEEPALIVE_INTERVAL_SECONDS) },
  { level: IPPROTO_TCP, name: TCP_KEEPCNT, value: libc.cInt(KEEPALIVE_PROBES) },
  { level: IPPROTO_TCP, name: TCP_USER_TIMEOUT, value: libc.cInt(USER_TIMEOUT_MS) },
];
/** struct linger: on, 0 seconds. */
const abort = new Uint8Array(Int32Array.of(1, 0).buffer);
const FLAGS = libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC;

export interface SocketEnd {
  ip: Uint8Array;
  port: number;
}

/** Descriptor of a listening socket. Accepted connections inherit its options. Throws HaleError `listen_refused`. */
export function openListener(frontend: { address: string; port: number }): number {
  const fd = listenFreebind(frontend);
  setOptions(fd);
  if (libc.listen(fd, BACKLOG) === 0) return fd;
  const error = listenRefused({ ...frontend, step: 'listen' });
  libc.close(fd);
  throw error;
}

function setOptions(fd: number): void {
  for (const { level, name, value } of options) libc.setsockopt(fd, level, name, value, 4);
}

/** A sockaddr_in6 and room to spare, and its length. */
const peerAddress = Buffer.alloc(128);
const peerLength = new Uint32Array(1);

/** Descriptor of the next client; the number of the error, negative, when there is none. */
export function acceptClient(listener: number): number {
  peerLength[0] = peerAddress.length;
  const fd = libc.accept4(listener, peerAddress, peerLength, FLAGS);
  return fd >= 0 ? fd : -libc.lastErrno();
}

/** The other end of the connection that `acceptClient` returned last. */
export function lastPeer(): SocketEnd {
  const v6 = peerAddress.readUInt16LE(0) === libc.AF_INET6;
  return { ip: Uint8Array.from(v6 ? peerAddress.subarray(8, 24) : peerAddress.subarray(4, 8)), port: peerAddress.readUInt16BE(2) };
}

/** Where `connectTo` goes, as struct sockaddr. */
export function targetAddress({ address, port }: { address: string; port: number }): Uint8Array {
  return socketAddressOf(address, port);
}

/** Descriptor of a connection under way: writable when it is there, or in error. The number of the error, negative, when it failed at once. */
export function connectTo(target: Uint8Array): number {
  const fd = libc.socket(target.length === 16 ? libc.AF_INET : libc.AF_INET6, libc.SOCK_STREAM | FLAGS, 0);
  if (fd < 0) return -libc.lastErrno();
  setOptions(fd);
  if (libc.connect(fd, target, target.length) === 0) return fd;
  const errno = libc.lastErrno();
  if (errno === constants.errno.EINPROGRESS) return fd;
  libc.close(fd);
  return -errno;
}

const answer = Buffer.alloc(256);
const answerLength = new Uint32Array(1);

function ask(fd: number, level: number, name: number): Buffer {
  answerLength[0] = answer.length;
  libc.getsockopt(fd, level, name, answer, answerLength);
  return answer;
}

/** The error that is waiting on a socket, fetched; 0 for none. */
export function takeError(fd: number): number {
  return ask(fd, libc.SOL_SOCKET, SO_ERROR).readInt32LE(0);
}

/** Bytes taken by the kernel, 0 when it has no room now; -1 when the connection is broken. */
export function sendSome(fd: number, bytes: Uint8Array, length: number): number {
  for (;;) {
    const sent = libc.send(fd, bytes, length, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    const errno = libc.lastErrno();
    if (errno === libc.EAGAIN) return 0;
    if (errno !== libc.EINTR) return -1;
  }
}

/** Bytes received, 0 at the end; undefined when there are none now; -1 when the connection is broken. */
export function receiveSome(fd: number, into: Uint8Array): number | undefined {
  for (;;) {
    const length = libc.recv(fd, into, into.length, 0);
    if (length >= 0) return length;
    const errno = libc.lastErrno();
    if (errno === libc.EAGAIN) return undefined;
    if (errno !== libc.EINTR) return -1;
  }
}

/** Tells the peer that nothing more comes; it may go on sending. */
export function endSending(fd: number): void {
  libc.shutdown(fd, SHUT_WR);
}

/** Closes with a RST, in whatever state. */
export function reset(fd: number): void {
  libc.setsockopt(fd, libc.SOL_SOCKET, SO_LINGER, abort, abort.length);
  libc.close(fd);
}

/** All that was sent is acknowledged and yet more waits: the peer is there, and its window is closed because its program does not read. */
export function waitsForReader(fd: number): boolean {
  // struct tcp_info: tcpi_unacked, tcpi_notsent_bytes (include/uapi/linux/tcp.h).
  const info = ask(fd, IPPROTO_TCP, TCP_INFO);
  return info.readUInt32LE(24) === 0 && info.readUInt32LE(144) > 0;
}

/** 0 for none. The kernel counts a closed window as time without acknowledgement, so it has to be off while a client is not reading. */
export function setUserTimeout(fd: number, timeoutMs: number): void {
  libc.setIntOption(fd, { level: IPPROTO_TCP, name: TCP_USER_TIMEOUT, value: timeoutMs });
}
