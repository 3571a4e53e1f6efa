/** TCP sockets of this network namespace, read and ended over NETLINK_SOCK_DIAG (sock_diag(7), include/uapi/linux/inet_diag.h, net/ipv4/inet_diag.c). */
import { formatIp, parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import { attribute, NLM_F_ACK, type Netlink, openNetlink } from './netlink.ts';

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const IPPROTO_TCP = 6;
const INET_DIAG_REQ_BYTECODE = 1;
const INET_DIAG_BC_S_COND = 7;
const INET_DIAG_BC_D_COND = 8;
/** struct inet_diag_bc_op and the fixed part of struct inet_diag_hostcond. */
const CONDITION_BYTES = 12;
const ANY_PORT = -1;
const MESSAGE_BYTES = 72;

/** By the kernel's number (include/net/tcp_states.h); RFC 9293 section 3.3.2 has those that it knows. */
const tcpStates = [
  'UNKNOWN',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
  'BOUND_INACTIVE',
] as const;

export type TcpState = (typeof tcpStates)[number];

/** The handshake is over and the connection is not: one side or both can still be waiting for the other. */
const connectedStates: readonly TcpState[] = ['ESTABLISHED', 'FIN_WAIT1', 'FIN_WAIT2', 'CLOSE_WAIT', 'LAST_ACK', 'CLOSING'];

export interface TcpEnd {
  /** In the form of `formatIp`. */
  address: string;
  port: number;
}

export interface TcpSocket {
  /** Of its addresses: a socket of `::` whose peer came over IPv4 is of family 4. */
  family: 4 | 6;
  state: TcpState;
  local: TcpEnd;
  remote: TcpEnd;
  /** 0 when no process has it open any more. */
  inode: number;
  /** The kernel's name for this very socket. */
  cookie: bigint;
  /** The interface that it is bound to, 0 for none. */
  linkIndex: number;
}

export interface SocketFilter {
  family: 4 | 6;
  local?: Partial<TcpEnd>;
  remote?: Partial<TcpEnd>;
  /** Only connections after the handshake and before their end: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING. */
  established?: true;
  /** Only sockets in this state. */
  state?: TcpState;
}

export interface SockDiag {
  /** The sockets that match, filtered by the kernel. Throws HaleError `sockets_unlisted`. */
  list(filter: SocketFilter): TcpSocket[];
  /** The same in slices of some hundred sockets, each in well under a millisecond; for who must not be kept that long. */
  slices(filter: SocketFilter): Generator<TcpSocket[], Effect, void>;
  /**
   * Ends the socket: its process sees ECONNABORTED, its peer a RST; of a half-open or TIME_WAIT one nobody hears. Needs CAP_NET_ADMIN
   * and CONFIG_INET_DIAG_DESTROY. One that is gone already is not destroyed (`ENOENT`).
   */
  destroy(socket: TcpSocket): Effect;
  close(): void;
}

/** Throws HaleError `netlink_unavailable`. */
export function openSockDiag(): SockDiag {
  const commands = openNetlink(NETLINK_SOCK_DIAG);
  let closed = false;
  return {
    list(filter) {
      const found: TcpSocket[] = [];
      const slices = readSockets(filter);
      for (let step = slices.next(); ; step = slices.next()) {
        if (!step.done) found.push(...step.value);
        else if (step.value.ok) return found;
        else throw unlisted(step.value.reason);
      }
    },
    slices: readSockets,
    destroy(socket) {
      if (closed) return { ok: false, reason: 'closed' };
      const answer = commands.request([{ type: SOCK_DESTROY, flags: NLM_F_ACK, payload: encodeSocket(socket) }]);
      return answer.ok ? done : { ok: false, reason: answer.reason };
    },
    close() {
      closed = true;
      commands.close();
    },
  };
}

function unlisted(reason: string): HaleError {
  return new HaleError({
    code: 'sockets_unlisted',
    kind: 'world',
    message: `TCP sockets of this host: ${reason}`,
    remedy:
      'The kernel needs CONFIG_INET_DIAG and CONFIG_INET_TCP_DIAG; load the modules inet_diag and tcp_diag where they are not built in.',
  });
}

/** Each dump has a netlink socket of its own, so that it can be left half read. */
function* readSockets(filter: SocketFilter): Generator<TcpSocket[], Effect, void> {
  let netlink: Netlink | undefined;
  try {
    netlink = openNetlink(NETLINK_SOCK_DIAG);
    // IPv4 connections of a server that listens on `::` belong to IPv6 sockets.
    for (const family of filter.family === 4 ? [libc.AF_INET, libc.AF_INET6] : [libc.AF_INET6]) {
      const read = yield* readFamily(netlink, family, filter);
      if (!read.ok) return read;
    }
    return done;
  } catch (error) {
    if (!(error instanceof HaleError)) throw error;
    return { ok: false, reason: error.message };
  } finally {
    netlink?.close();
  }
}

function* readFamily(netlink: Netlink, family: number, filter: SocketFilter): Generator<TcpSocket[], Effect, void> {
  const payload = encodeFilter(family, filter);
  if (payload === undefined) return { ok: false, reason: `an address to look for is not of family ${filter.family}` };
  const dump = netlink.dump({ type: SOCK_DIAG_BY_FAMILY, flags: 0, payload });
  for (let step = dump.next(); ; step = dump.next()) {
    if (step.done) {
      // A kernel without IPv6 has no such sockets.
      const absent = family === libc.AF_INET6 && step.value?.errno === libc.ENOENT;
      return step.value === undefined || absent ? done : { ok: false, reason: step.value.reason };
    }
    yield step.value.map(({ payload: bytes }) => decodeSocket(bytes)).filter((socket) => socket?.family === filter.family) as TcpSocket[];
  }
}

/** struct inet_diag_req_v2 with conditions for the kernel to check; undefined for an address of another family. */
function encodeFilter(family: number, { family: wanted, local, remote, established, state }: SocketFilter): Uint8Array | undefined {
  const request = Buffer.alloc(56);
  const states = state !== undefined ? [state] : established ? connectedStates : tcpStates;
  request[0] = family;
  request[1] = IPPROTO_TCP;
  request.writeUInt32LE(
    states.reduce((mask, one) => mask | (1 << tcpStates.indexOf(one)), 0),
    4,
  );
  // Ports the kernel compares before anything else, addresses only in a program.
  request.writeUInt16BE(local?.port ?? 0, 8);
  request.writeUInt16BE(remote?.port ?? 0, 10);
  const conditions: { code: number; address: Uint8Array }[] = [];
  for (const [code, end] of [
    [INET_DIAG_BC_S_COND, local],
    [INET_DIAG_BC_D_COND, remote],
  ] as const) {
    if (end?.address === undefined) continue;
    const address = parseIp(end.address);
    if (address?.length !== (wanted === 4 ? 4 : 16)) return undefined;
    conditions.push({ code, address });
  }
  return conditions.length === 0 ? request : Buffer.concat([request, attribute(INET_DIAG_REQ_BYTECODE, encodeProgram(conditions))]);
}

/** All conditions must hold: one that does not jumps behind the end, which refuses the socket. An IPv4 condition holds for the mapped address too. */
function encodeProgram(conditions: readonly { code: number; address: Uint8Array }[]): Uint8Array {
  let rest = conditions.reduce((sum, { address }) => sum + CONDITION_BYTES + address.length, 0);
  return Buffer.concat(
    conditions.map(({ code, address }) => {
      const bytes = Buffer.alloc(CONDITION_BYTES + address.length);
      bytes[0] = code;
      bytes[1] = bytes.length;
      bytes.writeUInt16LE(rest + 4, 2);
      bytes[4] = address.length === 4 ? libc.AF_INET : libc.AF_INET6;
      bytes[5] = address.length * 8;
      bytes.writeInt32LE(ANY_PORT, 8);
      bytes.set(address, CONDITION_BYTES);
      rest -= bytes.length;
      return bytes;
    }),
  );
}

/** struct inet_diag_req_v2 that names one socket. */
function encodeSocket({ family, local, remote, cookie, linkIndex }: TcpSocket): Uint8Array {
  const request = Buffer.alloc(56);
  // The kernel finds an IPv6 socket with mapped addresses under its IPv4 ones (inet_lookup).
  request[0] = family === 4 ? libc.AF_INET : libc.AF_INET6;
  request[1] = IPPROTO_TCP;
  request.writeUInt32LE(0xffff_ffff, 4);
  request.writeUInt16BE(local.port, 8);
  request.writeUInt16BE(remote.port, 10);
  request.set(parseIp(local.address) ?? [], 12);
  request.set(parseIp(remote.address) ?? [], 28);
  request.writeUInt32LE(linkIndex, 44);
  request.writeBigUInt64LE(cookie, 48);
  return request;
}

/** Reads struct inet_diag_msg; undefined when it is cut short. */
export function decodeSocket(payload: Uint8Array): TcpSocket | undefined {
  if (payload.length < MESSAGE_BYTES) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, MESSAGE_BYTES);
  const isV6 = payload[0] === libc.AF_INET6;
  const local = addressAt(payload, { at: 8, isV6 });
  const remote = addressAt(payload, { at: 24, isV6 });
  return {
    // The family of a wildcard is that of the socket.
    family: local.length === 4 && remote.length === 4 ? 4 : 6,
    state: tcpStates[payload[1] as number] ?? 'UNKNOWN',
    local: { address: formatIp(local), port: view.getUint16(4) },
    remote: { address: formatIp(remote), port: view.getUint16(6) },
    inode: view.getUint32(68, true),
    cookie: view.getBigUint64(44, true),
    linkIndex: view.getUint32(40, true),
  };
}

/** Four bytes of an IPv4 address, also of one mapped into IPv6 (RFC 4291 section 2.5.5.2). */
function addressAt(payload: Uint8Array, { at, isV6 }: { at: number; isV6: boolean }): Uint8Array {
  if (!isV6) return payload.subarray(at, at + 4);
  const bytes = payload.subarray(at, at + 16);
  const isMapped = bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
  return isMapped ? bytes.subarray(12) : bytes;
}
