/** Raw Ethernet frames on one interface: packet(7), include/uapi/linux/if_packet.h and filter.h. */
import { HaleError } from '../../base/error.ts';
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import type { Link } from './links.ts';
import { pollReadable } from './poll.ts';

const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const MAX_FRAME_BYTES = 2048;

/** One instruction of classic BPF: operation, jump if true, jump if false, constant. */
export type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

export interface PacketSocket {
  send(frame: Uint8Array): Effect;
  close(): void;
}

export interface PacketSocketOptions {
  link: Link;
  etherType: number;
  filter?: readonly Instruction[];
  /** The frame is a copy and may be kept. Frames that this host sends are not among them. */
  onFrame: (frame: Uint8Array) => void;
}

/** Throws HaleError `raw_socket_refused` (EPERM without CAP_NET_RAW). */
export function openPacketSocket({ link, etherType, filter, onFrame }: PacketSocketOptions): PacketSocket {
  // Protocol 0 receives nothing, so no unfiltered frame slips in before the filter is there; bind sets the protocol.
  const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, 0);
  if (fd < 0) throw refused(link, 'open');
  libc.setIntOption(fd, { level: SOL_PACKET, name: PACKET_IGNORE_OUTGOING, value: 1 });
  const address = linkAddress(link, etherType);
  const failed =
    filter !== undefined && !attachFilter(fd, filter) ? 'filter' : libc.bind(fd, address, address.length) < 0 ? 'bind' : undefined;
  if (failed !== undefined) {
    const error = refused(link, failed);
    libc.close(fd);
    throw error;
  }
  const buffer = new Uint8Array(MAX_FRAME_BYTES);
  const poll = pollReadable(fd, () => receiveAll(fd, { buffer, onFrame }));
  return {
    send(frame) {
      if (libc.send(fd, frame, frame.length, 0) === frame.length) return done;
      return { ok: false, reason: `send on ${link.name}: ${libc.errnoName(libc.lastErrno())}` };
    },
    close() {
      poll.close();
      libc.close(fd);
    },
  };
}

function receiveAll(fd: number, { buffer, onFrame }: { buffer: Uint8Array; onFrame: (frame: Uint8Array) => void }): void {
  for (;;) {
    const length = libc.recv(fd, buffer, buffer.length, 0);
    // EAGAIN ends a burst. ENETDOWN is reported once when the interface goes down; the socket hears again when it is up.
    if (length < 0 && libc.lastErrno() !== libc.EINTR) return;
    if (length > 0) onFrame(buffer.slice(0, length));
  }
}

/** False when the kernel refuses; errno says why. */
export function attachFilter(fd: number, filter: readonly Instruction[]): boolean {
  const program = Buffer.alloc(filter.length * 8);
  for (const [i, [code, jumpTrue, jumpFalse, k]] of filter.entries()) {
    program.writeUInt16LE(code, i * 8);
    program.writeUInt8(jumpTrue, i * 8 + 2);
    program.writeUInt8(jumpFalse, i * 8 + 3);
    program.writeUInt32LE(k, i * 8 + 4);
  }
  return libc.setFilter(fd, libc.SOL_SOCKET, SO_ATTACH_FILTER, { len: filter.length, filter: program }, 16) === 0;
}

/** struct sockaddr_ll; only the protocol is in network order. */
function linkAddress(link: Link, etherType: number): Uint8Array {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16LE(libc.AF_PACKET, 0);
  bytes.writeUInt16BE(etherType, 2);
  bytes.writeInt32LE(link.index, 4);
  return bytes;
}

function refused(link: Link, step: string): HaleError {
  const reason = libc.errnoName(libc.lastErrno());
  return new HaleError({
    code: 'raw_socket_refused',
    kind: 'world',
    message: `raw socket on interface ${link.name}: ${step} failed with ${reason}`,
    remedy: 'Run as root, or give the process CAP_NET_RAW and CAP_NET_ADMIN.',
  });
}
