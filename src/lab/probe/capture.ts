/**
 * One AF_PACKET socket (packet(7)) for every kind of answer. One, because the order of frames is the evidence: from two sockets, a stall
 * of this process could swap the last answer of one holder with the first of the next, and that would look like two at once.
 */
import { HaleError } from '../../base/error.ts';
import * as libc from '../../drivers/linux/libc.ts';
import { pollReadable } from '../../drivers/linux/poll.ts';

const ETH_P_ALL = 0x0003;
const SO_ATTACH_FILTER = 26;
const SOCK_FPROG_BYTES = 16;
const FRAME_BYTES_MAX = 2048;

export interface Capture {
  /** A frame that finds the queue full is lost, as on any network. */
  send(frame: Uint8Array): void;
  close(): void;
}

/** Throws HaleError `probe_socket_refused`. The bytes given to `onFrame` are valid during the call only. */
export function openCapture(options: { linkIndex: number; filter: Uint8Array; onFrame: (frame: Uint8Array) => void }): Capture {
  // Protocol 0 receives nothing until bound, so no frame slips past the filter.
  const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  if (fd < 0) throw refused('opening it');
  const program = { len: options.filter.length / 8, filter: options.filter };
  if (libc.setFilter(fd, libc.SOL_SOCKET, SO_ATTACH_FILTER, program, SOCK_FPROG_BYTES) !== 0) throw refused('attaching its filter');
  const address = socketAddress(options.linkIndex);
  if (libc.bind(fd, address, address.length) !== 0) throw refused('binding it');
  const buffer = new Uint8Array(FRAME_BYTES_MAX);
  const poll = pollReadable(fd, () => {
    for (;;) {
      const length = libc.recv(fd, buffer, buffer.length, 0);
      if (length < 0) return;
      options.onFrame(buffer.subarray(0, length));
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
    message: `packet socket of the holder observer: ${step} failed with ${libc.errnoName(libc.lastErrno())}`,
    remedy: 'the probe needs CAP_NET_RAW in the network namespace of the client',
  });
}
