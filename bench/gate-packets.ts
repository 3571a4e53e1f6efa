/** What the gate costs each packet that passes the interface. */
import { assert } from '../src/base/assert.ts';
import { parseIp } from '../src/base/address.ts';
import { ByteWriter } from '../src/base/bytes.ts';
import { median } from '../src/base/stats.ts';
import { checksum } from '../src/core/balancer/segment.ts';
import { startFrame } from '../src/core/neighbor/ethernet.ts';
import { boottime } from '../src/drivers/linux/boottime.ts';
import * as libc from '../src/drivers/linux/libc.ts';
import { socketAddress } from '../src/drivers/linux/socket-address.ts';
import type { TestLink } from '../test/support/netns.ts';
import { ADDRESS, LOCK_NAMES, type Lock, openLock } from './gate-lock.ts';
import { openWire } from './gate-prober.ts';
import { tenths } from './machine.ts';

const BATCH = 20_000;
const ROUNDS = 15;
const OPEN_MS = 60_000;
const PORT = 9;
const SOCK_DGRAM = 2;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;

export interface PacketSubject {
  name: string;
  /** Median of the rounds, for packets to the address and to the host's own one. */
  nsPerPacket: { shared: number; own: number };
}

export function packets(options: { link: TestLink; locks: readonly Lock[]; say: (line: string) => void }): PacketSubject[] {
  const { link, locks, say } = options;
  const subjects = ([undefined, ...locks] as const).map((lock) => ({ lock, shared: [] as number[], own: [] as number[] }));
  const sink = openSink(link);
  const wire = openWire(link.peer);
  const frames = { shared: udpFrame(link, ADDRESS), own: udpFrame(link, link.host.address4) };
  say(`packets: ${ROUNDS} rounds of ${BATCH} each`);
  try {
    // Interleaved, so that a slow moment of the machine does not meet one subject alone. The first round warms up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const { lock, shared, own } of subjects) {
        const gate = lock && link.host.inside(() => openLock(lock));
        assert(gate?.open(boottime.now() + OPEN_MS).ok !== false, 'the gate opens');
        const [toShared, toOwn] = [flood(wire, frames.shared), flood(wire, frames.own)];
        gate?.remove();
        if (round === 0) continue;
        shared.push(toShared);
        own.push(toOwn);
      }
    }
  } finally {
    libc.close(wire);
    libc.close(sink);
  }
  return subjects.map(({ lock, shared, own }) => ({
    name: lock === undefined ? 'no gate' : LOCK_NAMES[lock],
    nsPerPacket: { shared: tenths(median(shared)), own: tenths(median(own)) },
  }));
}

/** Nanoseconds for each packet: over a veth the receiving kernel's work is done within the call that sends. */
function flood(wire: number, frame: Uint8Array): number {
  const startMs = boottime.now();
  for (let i = 0; i < BATCH; i++) libc.send(wire, frame, frame.length, 0);
  return ((boottime.now() - startMs) * 1e6) / BATCH;
}

/** A socket that nobody reads: once it is full, each packet goes all the way up and is dropped there. */
function openSink({ host }: TestLink): number {
  return host.inside(() => {
    const fd = libc.socket(libc.AF_INET, SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
    const any = socketAddress(new Uint8Array(4), PORT);
    assert(libc.bind(fd, any, any.length) === 0, 'the sink has its port');
    return fd;
  });
}

/** UDP over IPv4 without a checksum, which RFC 768 allows. */
function udpFrame({ host, peer }: TestLink, target: string): Uint8Array {
  const [source, destination] = [parseIp(peer.address4), parseIp(target)];
  assert(source !== undefined && destination !== undefined, 'both are IP addresses');
  const udp = new ByteWriter().u16(PORT).u16(PORT).u16(8).u16(0).finish();
  const start = new ByteWriter().u16(0x4500).u16(28).u32(0).u8(64).u8(PROTOCOL_UDP).u16(0);
  const ip = start.bytes(source).bytes(destination).finish();
  new DataView(ip.buffer, ip.byteOffset).setUint16(10, checksum([ip]));
  return startFrame({ destination: host.mac, source: peer.mac, etherType: ETHERTYPE_IPV4 }).bytes(ip).bytes(udp).finish();
}

export const PACKETS_METHOD = [
  `Packets: wall time of sending a UDP packet through a veth, median of ${ROUNDS} rounds of ${BATCH}; the receiving kernel does its work within the call. The gate's cost is the difference to the first line.`,
];
