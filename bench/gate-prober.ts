/** Asks for the address and for a connection to it without an event loop, so that no answer waits to be seen. */
import { HaleError } from '../src/base/error.ts';
import { arpRequest, parseArp } from '../src/core/neighbor/arp.ts';
import { boottime } from '../src/drivers/linux/boottime.ts';
import * as libc from '../src/drivers/linux/libc.ts';
import { linkByName } from '../src/drivers/linux/links.ts';
import { parseSynAck, synFrame } from '../src/lab/probe/syn.ts';
import type { TestHost, TestLink } from '../test/support/netns.ts';
import { ADDRESS } from './gate-lock.ts';

export const PROBE_EVERY_MS = 0.5;
const FIRST_PORT = 20_000;
const PORTS = 40_000;
const ETH_P_ALL = 0x0003;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const FRAME_BYTES_MAX = 2048;

export interface Seen {
  lastArpMs: number | undefined;
  lastTcpMs: number | undefined;
  /** Longest time between two turns of the loop. */
  probeGapMs: number;
}

export interface Prober {
  /** Probes and keeps this thread until that time. */
  watch(untilMs: number): Seen;
  close(): void;
}

export function openProber({ host, peer }: TestLink, { port }: { port: number }): Prober {
  const fd = openWire(peer);
  const buffer = new Uint8Array(FRAME_BYTES_MAX);
  const question = arpRequest({ mac: peer.mac, address: peer.address4, target: ADDRESS });
  const ends = { sourceMac: peer.mac, targetMac: host.mac, source: peer.address4, target: ADDRESS, targetPort: port };
  let knocks = 0;
  const ask = (): void => {
    const syn = synFrame({ ...ends, sourcePort: FIRST_PORT + (knocks++ % PORTS) }, { sequence: 1 });
    for (const frame of [question, syn]) libc.send(fd, frame, frame.length, 0);
  };
  return {
    watch(untilMs) {
      const seen: Seen = { lastArpMs: undefined, lastTcpMs: undefined, probeGapMs: 0 };
      let nextMs = 0;
      for (let now = boottime.now(), before = now; now < untilMs; before = now, now = boottime.now()) {
        seen.probeGapMs = Math.max(seen.probeGapMs, now - before);
        if (now >= nextMs) {
          ask();
          nextMs = now + PROBE_EVERY_MS;
        }
        for (let length = receive(); length > 0; length = receive()) note(seen, buffer.subarray(0, length));
      }
      return seen;
    },
    close: () => void libc.close(fd),
  };

  function receive(): number {
    return libc.recv(fd, buffer, buffer.length, 0);
  }
}

function note(seen: Seen, frame: Uint8Array): void {
  const arp = parseArp(frame);
  if (arp.ok && arp.value.operation === 'reply' && arp.value.senderAddress === ADDRESS) seen.lastArpMs = boottime.now();
  else if (!arp.ok && arp.reason === 'not_arp' && parseSynAck(frame) !== undefined) seen.lastTcpMs = boottime.now();
}

/** Descriptor of a raw socket on the host's interface (packet(7)). */
export function openWire(host: TestHost): number {
  return host.inside(() => {
    const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
    const address = Buffer.alloc(20);
    address.writeUInt16LE(libc.AF_PACKET, 0);
    address.writeUInt16BE(ETH_P_ALL, 2);
    address.writeInt32LE(linkByName('eth0').index, 4);
    libc.setIntOption(fd, { level: SOL_PACKET, name: PACKET_IGNORE_OUTGOING, value: 1 });
    if (fd >= 0 && libc.bind(fd, address, address.length) === 0) return fd;
    throw new HaleError({ code: 'bench_gate_socket', kind: 'world', message: `raw socket: ${libc.errnoName(libc.lastErrno())}` });
  });
}
