/** What the programs note: which sockets of this machine were given which backend. */
import { formatIp } from '../../../base/address.ts';
import { HaleError } from '../../../base/error.ts';
import type { Log } from '../../../ports/log.ts';
import { createHash, type Opened } from '../bpf/calls.ts';
import { readCell, readHash } from '../bpf/objects.ts';
import type { SockDiag, TcpSocket } from '../sock-diag.ts';
import { type Found, findMap } from './attachments.ts';

/** Connections of one machine to the API servers at a time; further ones go to the shared address. */
const STEERED_MAX = 65_536;
const STEERED = { name: 'hale_steered', keyBytes: 8, valueBytes: 16 };
const CHOICE = { name: 'hale_choice', keyBytes: 4, valueBytes: 8 };
export const CHOICE_NAME = CHOICE.name;
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

export interface Steered {
  cookie: bigint;
  /** Of the backend. */
  address: string;
}

/** The one that an earlier process's programs use, with all that is noted in it, or a new one. */
export function openSteered(left: readonly Found[]): Opened {
  const fd = findMap(left, STEERED);
  return fd === undefined ? createHash(STEERED.name, { ...STEERED, entriesMax: STEERED_MAX }) : { ok: true, fd };
}

export const findSteered = (programs: readonly Found[]): number | undefined => findMap(programs, STEERED);
export const findChoice = (programs: readonly Found[]): number | undefined => findMap(programs, CHOICE);

export function readSteered(fd: number): Steered[] {
  return readHash(fd, STEERED).map(({ key, value }) => {
    const isV4 = value.subarray(0, MAPPED.length).equals(MAPPED);
    return { cookie: key.readBigUInt64LE(0), address: formatIp(isV4 ? value.subarray(MAPPED.length) : value) };
  });
}

/** The choice as the programs read it: how many, then which. */
export function encodeChoice(slots: readonly number[]): bigint {
  return [slots.length, ...slots].reduce((word, byte, i) => word | (BigInt(byte) << BigInt(8 * i)), 0n);
}

export function readChoice(fd: number): number[] {
  const [count = 0, ...slots] = readCell(fd) ?? [];
  return slots.slice(0, count);
}

export interface LostBackends {
  steeredFd: number;
  diag: SockDiag;
  backends: readonly { addresses: readonly string[]; port: number }[];
  log: Log;
}

/** Ends what was steered to these addresses, also while it is still connecting. Connections made to them directly are somebody else's. Returns how many. */
export function destroySteered({ steeredFd, diag, backends, log }: LostBackends): number {
  const steered = readSteered(steeredFd);
  const cookies = new Set(steered.map(({ cookie }) => cookie));
  const lost = backends.flatMap(({ addresses, port }) =>
    addresses
      .filter((address) => steered.some((one) => one.address === address))
      .flatMap((address) => socketsTo(diag, { address, port }, log))
      .filter(({ cookie }) => cookies.has(cookie)),
  );
  const refused = lost.map((socket) => diag.destroy(socket)).filter((destroyed) => !destroyed.ok);
  const [first] = refused;
  // One that was closed meanwhile is refused too; a kernel that cannot do it refuses all.
  if (first !== undefined)
    log.warn({ count: refused.length, of: lost.length, reason: first.reason }, 'connections to dead API servers not ended');
  return lost.length - refused.length;
}

function socketsTo(diag: SockDiag, remote: { address: string; port: number }, log: Log): TcpSocket[] {
  try {
    return diag.list({ family: remote.address.includes(':') ? 6 : 4, remote });
  } catch (error) {
    if (!(error instanceof HaleError)) throw error;
    log.warn({ remote, reason: error.message }, 'connections to a dead API server not found');
    return [];
  }
}
