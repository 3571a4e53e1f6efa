/** One AF_PACKET socket (packet(7)) for every kind of question and answer, and for each frame the moment at which the kernel took it in. */
import { HaleError } from '../../base/error.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import * as libc from '../../drivers/linux/libc.ts';
import { pollReadable } from '../../drivers/linux/poll.ts';

const ETH_P_ALL = 0x0003;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
/** Arrival of the last frame that was read, as a struct timespec (include/uapi/asm-generic/sockios.h); the first call switches it on. */
const SIOCGSTAMPNS = 0x8907;
const CLOCK_REALTIME = 0;
const SOCK_FPROG_BYTES = 16;
const FRAME_BYTES_MAX = 2048;

export interface Capture {
  /** A frame that finds the queue full is lost, as on any network. */
  send(frame: Uint8Array): void;
  close(): void;
}

export interface CaptureOptions {
  linkIndex: number;
  filter: Uint8Array;
  /** The bytes are valid during the call only. `heardMs` of CLOCK_BOOTTIME is never before the frame arrived, however late this process runs. */
  onFrame: (frame: Uint8Array, heardMs: number) => void;
}

/** Throws HaleError `probe_socket_refused`. */
export function openCapture(options: CaptureOptions): Capture {
  const fd = openSocket(options);
  const buffer = new Uint8Array(FRAME_BYTES_MAX);
  const stamp = new Uint32Array(4);
  libc.ioctl(fd, SIOCGSTAMPNS, stamp);
  let emptyMs = boottime.now();
  const poll = pollReadable(fd, () => {
    for (;;) {
      const beforeMs = boottime.now();
      const length = libc.recv(fd, buffer, buffer.length, 0);
      if (length < 0) {
        emptyMs = beforeMs;
        return;
      }
      // What arrived before the queue was last seen empty has been read then: a step of the wall clock cannot date a frame further back.
      options.onFrame(buffer.subarray(0, length), Math.max(emptyMs, heardMs(fd, stamp)));
    }
  });
  return {
    send(frame) {
      if (libc.send(fd, frame, frame.length, 0) >= 0) return;
      const errno = libc.lastErrno();
      if (errno !== libc.EAGAIN && errno !== libc.ENOBUFS) throw refused('sending');
    },
    close() {
      poll.close();
      libc.close(fd);
    },
  };
}

const wallClock = new Uint32Array(4);

/** The kernel stamps with the wall clock. That is read before the boot-time clock, so that a pause in between makes the frame later, not earlier. */
function heardMs(fd: number, stamp: Uint32Array): number {
  const stamped = libc.ioctl(fd, SIOCGSTAMPNS, stamp) === 0;
  libc.clockGettime(CLOCK_REALTIME, wallClock);
  const nowMs = boottime.now();
  return stamped ? nowMs - Math.max(0, millisecondsBetween(stamp, wallClock)) : nowMs;
}

function millisecondsBetween(from: Uint32Array, to: Uint32Array): number {
  return ((to[0] as number) - (from[0] as number)) * 1000 + ((to[2] as number) - (from[2] as number)) / 1e6;
}

function openSocket({ linkIndex, filter }: CaptureOptions): number {
  // Protocol 0 receives nothing until bound, so no frame slips past the filter.
  const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  if (fd < 0) throw refused('opening it');
  libc.setIntOption(fd, { level: SOL_PACKET, name: PACKET_IGNORE_OUTGOING, value: 1 });
  const program = { len: filter.length / 8, filter };
  if (libc.setFilter(fd, libc.SOL_SOCKET, SO_ATTACH_FILTER, program, SOCK_FPROG_BYTES) !== 0) throw refused('attaching its filter');
  const address = socketAddress(linkIndex);
  if (libc.bind(fd, address, address.length) !== 0) throw refused('binding it');
  return fd;
}

/** struct sockaddr_ll. */
function socketAddress(linkIndex: number): Uint8Array {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16LE(libc.AF_PACKET, 0);
  bytes.writeUInt16BE(ETH_P_ALL, 2);
  bytes.writeInt32LE(linkIndex, 4);
  return bytes;
}

function refused(step: string): HaleError {
  return new HaleError({
    code: 'probe_socket_refused',
    kind: 'world',
    message: `packet socket of the watch: ${step} failed with ${libc.errnoName(libc.lastErrno())}`,
    remedy: 'the watch needs CAP_NET_RAW in the network namespace of the client',
  });
}
