/** UDP datagrams with what the kernel knows of their way: recvmsg(2), ip(7), ipv6(7). */
import { type Family, formatIp } from '../../base/address.ts';
import * as libc from './libc.ts';
import { pollReadable } from './poll.ts';
import { socketAddress } from './socket-address.ts';

const SOL_IP = 0;
const IP_TTL = 2;
const IP_PKTINFO = 8;
const IP_RECVTTL = 12;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;

/** What is longer is cut off. */
const PAYLOAD_MAX = 1024;
const CONTROL_MAX = 256;
/** Read at a time before others have their turn on the loop. */
const BURST = 64;

export interface ReceivedDatagram {
  /** In the form of `formatIp`, without a zone. */
  from: string;
  to: string;
  ttl: number;
  /** A copy, of at most 1,024 bytes. */
  bytes: Uint8Array;
}

export interface DatagramReceiver {
  /** Reads what has arrived already, outside the loop's turn. */
  receiveWaiting(): void;
  close(): void;
}

/** Listens on a port on all addresses of this host; the kernel's reason when it refuses. Others must not listen there, or they would take turns. */
export function openDatagramReceiver(options: {
  family: Family;
  port: number;
  onDatagram: (datagram: ReceivedDatagram) => void;
}): { ok: true; receiver: DatagramReceiver } | { ok: false; reason: string } {
  const { family, port, onDatagram } = options;
  const isIpv6 = family === 'IPv6';
  const fd = libc.socket(isIpv6 ? libc.AF_INET6 : libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  const address = socketAddress(new Uint8Array(isIpv6 ? 16 : 4), port);
  if (fd < 0 || !askForWay(fd, family) || libc.bind(fd, address, address.length) !== 0) {
    const reason = libc.errnoName(libc.lastErrno());
    if (fd >= 0) libc.close(fd);
    return { ok: false, reason };
  }
  const message = new Message();
  const receiveWaiting = (): void => {
    for (let count = 0; count < BURST; count++) {
      const datagram = message.receive(fd);
      if (datagram === undefined) return;
      onDatagram(datagram);
    }
  };
  const poll = pollReadable(fd, receiveWaiting);
  const close = (): void => {
    poll.close();
    libc.close(fd);
  };
  return { ok: true, receiver: { receiveWaiting, close } };
}

function askForWay(fd: number, family: Family): boolean {
  const options: [level: number, name: number][] =
    family === 'IPv6'
      ? [
          [SOL_IPV6, IPV6_V6ONLY],
          [SOL_IPV6, IPV6_RECVHOPLIMIT],
          [SOL_IPV6, IPV6_RECVPKTINFO],
        ]
      : [
          [SOL_IP, IP_RECVTTL],
          [SOL_IP, IP_PKTINFO],
        ];
  return options.every(([level, name]) => libc.setIntOption(fd, { level, name, value: 1 }));
}

/** A struct msghdr of a 64-bit Linux with the memory that it points to, which must not move: views of buffers of their own do not. */
class Message {
  readonly #header = bufferOf(56);
  readonly #name = bufferOf(28);
  readonly #vector = bufferOf(16);
  readonly #payload = bufferOf(PAYLOAD_MAX);
  readonly #control = bufferOf(CONTROL_MAX);

  constructor() {
    this.#vector.writeBigUInt64LE(libc.addressOf(this.#payload), 0);
    this.#vector.writeBigUInt64LE(BigInt(PAYLOAD_MAX), 8);
    this.#header.writeBigUInt64LE(libc.addressOf(this.#name), 0);
    this.#header.writeBigUInt64LE(libc.addressOf(this.#vector), 16);
    this.#header.writeBigUInt64LE(1n, 24);
    this.#header.writeBigUInt64LE(libc.addressOf(this.#control), 32);
  }

  /** The next datagram; undefined when there is none. One without its way is passed over. */
  receive(fd: number): ReceivedDatagram | undefined {
    for (;;) {
      this.#header.writeUInt32LE(this.#name.length, 8);
      this.#header.writeBigUInt64LE(BigInt(CONTROL_MAX), 40);
      const length = libc.recvmsg(fd, this.#header, 0);
      if (length < 0 && libc.lastErrno() !== libc.EINTR) return undefined;
      const way = length < 0 ? undefined : this.#way();
      if (way !== undefined) return { ...way, bytes: Uint8Array.from(this.#payload.subarray(0, length)) };
    }
  }

  #way(): { from: string; to: string; ttl: number } | undefined {
    const isIpv6 = this.#name.readUInt16LE(0) === libc.AF_INET6;
    let [to, ttl]: [string | undefined, number | undefined] = [undefined, undefined];
    for (const { level, type, data } of this.#controlMessages()) {
      if (level === SOL_IP && type === IP_TTL) ttl = data.readInt32LE(0);
      if (level === SOL_IPV6 && type === IPV6_HOPLIMIT) ttl = data.readInt32LE(0);
      // struct in_pktinfo: interface, local address, destination in the header; struct in6_pktinfo: destination, interface.
      if (level === SOL_IP && type === IP_PKTINFO) to = formatIp(data.subarray(8, 12));
      if (level === SOL_IPV6 && type === IPV6_PKTINFO) to = formatIp(data.subarray(0, 16));
    }
    if (to === undefined || ttl === undefined) return undefined;
    return { from: formatIp(isIpv6 ? this.#name.subarray(8, 24) : this.#name.subarray(4, 8)), to, ttl };
  }

  /** struct cmsghdr: length with itself, level, type; each begins at a multiple of 8. */
  *#controlMessages(): Generator<{ level: number; type: number; data: Buffer }> {
    const end = Number(this.#header.readBigUInt64LE(40));
    for (let at = 0; at + 16 <= end; ) {
      const length = Number(this.#control.readBigUInt64LE(at));
      if (length < 16 || at + length > end) return;
      const [level, type] = [this.#control.readInt32LE(at + 8), this.#control.readInt32LE(at + 12)];
      yield { level, type, data: this.#control.subarray(at + 16, at + length) };
      at += Math.ceil(length / 8) * 8;
    }
  }
}

function bufferOf(length: number): Buffer<ArrayBuffer> {
  return Buffer.from(new ArrayBuffer(length));
}
