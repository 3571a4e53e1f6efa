/** Netlink requests (include/uapi/linux/netlink.h). Little-endian hosts only: x86-64 and arm64. */
import { formatIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import * as libc from './libc.ts';

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const HEADER_BYTES = 16;

export interface NetlinkMessage {
  type: number;
  flags: number;
  /** The fixed header of the message's family, then attributes. */
  payload: Uint8Array;
}

/** `errno` of a refused request, with the kernel's own words where it gave some. */
export interface NetlinkRefusal {
  ok: false;
  errno: number;
  reason: string;
}

export type NetlinkAnswer = { ok: true; messages: NetlinkMessage[] } | NetlinkRefusal;

export interface Netlink {
  /** Sends the messages in one datagram and returns all answers. The kernel answers within the call, so nothing is waited for. */
  request(messages: readonly NetlinkMessage[]): NetlinkAnswer;
  /**
   * The answers of a dump as the kernel hands them out, at most 32 KiB a step, so that a long one can be read in slices. Until its end
   * nothing else may be asked of this socket; one that is not to be read on ends with `close`.
   */
  dump(message: NetlinkMessage): Generator<NetlinkMessage[], NetlinkRefusal | undefined, void>;
  /** The same, carried out by a thread of the pool: for dumps whose search in the kernel alone would keep this thread too long. */
  dumpAside(message: NetlinkMessage): AsyncGenerator<NetlinkMessage[], NetlinkRefusal | undefined, void>;
  close(): void;
}

/** Throws HaleError `netlink_unavailable`. */
export function openNetlink(protocol: number): Netlink {
  const fd = libc.socket(libc.AF_NETLINK, libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, protocol);
  if (fd < 0) {
    throw new HaleError({
      code: 'netlink_unavailable',
      kind: 'world',
      message: `netlink socket (protocol ${protocol}): ${libc.errnoName(libc.lastErrno())}`,
      remedy: 'Run on Linux with netlink; a container needs host networking.',
    });
  }
  // Both are refinements of what comes back, so an old kernel without them still works.
  libc.setIntOption(fd, { level: SOL_NETLINK, name: NETLINK_EXT_ACK, value: 1 });
  libc.setIntOption(fd, { level: SOL_NETLINK, name: NETLINK_GET_STRICT_CHK, value: 1 });
  const buffer = new Uint8Array(65_536);
  let sequence = 0;
  return {
    request(messages) {
      drain(fd, buffer);
      const datagram = encodeMessages(messages, sequence + 1);
      sequence += messages.length;
      if (libc.send(fd, datagram, datagram.length, 0) < 0) return refusal(libc.lastErrno());
      return receiveAll(fd, buffer);
    },
    *dump(message) {
      drain(fd, buffer);
      const datagram = encodeMessages([{ ...message, flags: message.flags | NLM_F_DUMP }], ++sequence);
      if (libc.send(fd, datagram, datagram.length, 0) < 0) return refusal(libc.lastErrno());
      for (;;) {
        const received = receive(fd, buffer);
        if (received === undefined || !received.ok) return received;
        yield received.messages;
      }
    },
    async *dumpAside(message) {
      drain(fd, buffer);
      const datagram = encodeMessages([{ ...message, flags: message.flags | NLM_F_DUMP }], ++sequence);
      if ((await libc.sendAside(fd, datagram)) < 0) return refusal(libc.EPROTO, 'the dump was not begun');
      for (;;) {
        // Messages are views of the buffer, and the next step must not write over them.
        const into = new Uint8Array(buffer.length);
        const length = await libc.recvAside(fd, into);
        if (length < 0) return refusal(libc.EPROTO, 'the dump broke off');
        const { answer, last } = decodeAnswers(Buffer.from(into.buffer, 0, length));
        if (!answer.ok) return answer;
        yield answer.messages;
        if (last) return undefined;
      }
    },
    close() {
      libc.close(fd);
    },
  };
}

/** Throws away what an earlier request left unread, so that answers always belong to their request. */
function drain(fd: number, buffer: Uint8Array): void {
  while (libc.recv(fd, buffer, buffer.length, 0) > 0);
}

function refusal(errno: number, words?: string): NetlinkRefusal {
  return { ok: false, errno, reason: words === undefined ? libc.errnoName(errno) : `${libc.errnoName(errno)}: ${words}` };
}

/** One datagram; each message asks for an answer of its own. */
export function encodeMessages(messages: readonly NetlinkMessage[], firstSequence: number): Uint8Array {
  const parts = messages.map(({ type, flags, payload }, i) => {
    const bytes = Buffer.alloc(HEADER_BYTES + align(payload.length));
    bytes.writeUInt32LE(HEADER_BYTES + payload.length, 0);
    bytes.writeUInt16LE(type, 4);
    bytes.writeUInt16LE(flags | NLM_F_REQUEST, 6);
    bytes.writeUInt32LE(firstSequence + i, 8);
    bytes.set(payload, HEADER_BYTES);
    return bytes;
  });
  return Buffer.concat(parts);
}

function receiveAll(fd: number, buffer: Uint8Array): NetlinkAnswer {
  const messages: NetlinkMessage[] = [];
  let refused: NetlinkRefusal | undefined;
  for (;;) {
    const received = receive(fd, buffer);
    if (received === undefined) return refused ?? { ok: true, messages };
    if (received.ok) messages.push(...received.messages);
    else refused ??= received;
  }
}

/** The answers of one datagram; undefined when there is none left. */
function receive(fd: number, buffer: Uint8Array): NetlinkAnswer | undefined {
  let length = -1;
  do length = libc.recv(fd, buffer, buffer.length, 0);
  while (length < 0 && libc.lastErrno() === libc.EINTR);
  if (length < 0) return libc.lastErrno() === libc.EAGAIN ? undefined : refusal(libc.lastErrno());
  return decodeAnswers(Buffer.from(buffer.subarray(0, length))).answer;
}

/** `last`: the datagram says that the dump ends with it. */
function decodeAnswers(datagram: Buffer): { answer: NetlinkAnswer; last: boolean } {
  const messages: NetlinkMessage[] = [];
  let refused: NetlinkRefusal | undefined;
  let last = false;
  for (const message of decodeMessages(datagram)) {
    if (message.type === NLMSG_ERROR) refused ??= decodeRefusal(message);
    else if (message.type === NLMSG_DONE) {
      refused ??= failedDump(message);
      last = true;
    } else messages.push(message);
  }
  return { answer: refused ?? { ok: true, messages }, last };
}

/** A dump that failed on the way says so in its last message (net/netlink/af_netlink.c, netlink_dump_done). */
function failedDump({ payload }: NetlinkMessage): NetlinkRefusal | undefined {
  const errno = payload.length < 4 ? 0 : -Buffer.from(payload).readInt32LE(0);
  return errno > 0 ? refusal(errno) : undefined;
}

/** The whole messages of a datagram, up to the first whose length cannot be. */
export function* decodeMessages(datagram: Buffer): Generator<NetlinkMessage> {
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > datagram.length) return;
    yield {
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      payload: datagram.subarray(at + HEADER_BYTES, at + length),
    };
    at += align(length);
  }
}

/** Undefined for an acknowledgement, which is an error message (struct nlmsgerr) with number 0. */
export function decodeRefusal({ flags, payload }: NetlinkMessage): NetlinkRefusal | undefined {
  if (payload.length < 4 + HEADER_BYTES) return refusal(libc.EPROTO, 'an error message that is cut short');
  const bytes = Buffer.from(payload);
  const errno = -bytes.readInt32LE(0);
  if (errno === 0) return undefined;
  // The request comes back whole unless capped, and the kernel's words follow.
  const echoedBytes = (flags & NLM_F_CAPPED) === 0 ? bytes.readUInt32LE(4) : HEADER_BYTES;
  if ((flags & NLM_F_ACK_TLVS) === 0 || echoedBytes > payload.length) return refusal(errno);
  const words = attributes(bytes.subarray(4 + align(echoedBytes))).get(NLMSGERR_ATTR_MSG);
  return refusal(errno, words === undefined ? undefined : cString(words));
}

function align(length: number): number {
  return (length + 3) & ~3;
}

/** One attribute: u16 length, u16 type, value, padding. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = Buffer.alloc(align(4 + value.length));
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.set(value, 4);
  return bytes;
}

export function nested(type: number, children: readonly Uint8Array[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(children));
}

/** The last attribute of each type. */
export function attributes(bytes: Uint8Array): Map<number, Buffer> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= buffer.length; ) {
    const length = buffer.readUInt16LE(at);
    if (length < 4 || at + length > buffer.length) break;
    found.set(buffer.readUInt16LE(at + 2) & NLA_TYPE_MASK, buffer.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

export function zeroTerminated(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf8');
}

export function cString(bytes: Buffer): string {
  return bytes.subarray(0, bytes.indexOf(0) < 0 ? bytes.length : bytes.indexOf(0)).toString('utf8');
}

/** Host order. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export function ipText(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined || (bytes.length !== 4 && bytes.length !== 16) ? undefined : formatIp(bytes);
}
