/**
 * Segments that make clients of a dead host find out: a bare ACK from the shared address, with a sequence number that is in no window. The
 * client answers with an ACK that says what it expects (RFC 9293 section 3.10.7.4, first step; RFC 5961 sections 3 to 5; tcp_validate_incoming and
 * tcp_send_dupack in net/ipv4/tcp_input.c). Whoever serves the address by then has no such connection and answers that with a RST of exactly the
 * number the client expects (RFC 9293 sections 3.10.7.1 and 3.10.7.2), which is the one kind of RST that resets at once (RFC 5961 section 3.2).
 */
import { randomInt } from 'node:crypto';
import { familyOf, ipBytes } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Flow } from '../../core/balancer/flow.ts';
import { FLAG_ACK, tcpPacket } from '../../core/balancer/segment.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { ClientProd } from '../../ports/flows.ts';
import * as libc from './libc.ts';
import { socketAddressOf } from './socket-address.ts';

/** Packets come with their IP header, for IPv6 too (inet_create, inet6_create: hdrincl). */
const IPPROTO_RAW = 255;
/**
 * Pauses before the segments are sent again. The first two are for segments that get lost, the last for answers: a client that has answered one
 * is silent for 500 ms (tcp_invalid_ratelimit).
 */
const REPEATS_MS = [50, 150, 500];
/** No window is larger (RFC 7323 section 2.3), so of numbers that far apart at most one or two meet it by chance. */
const SEQUENCE_STEP = 2 ** 30;
/** How long the thread is kept at a time, and left to others. */
const SLICE_MS = 2;
const PAUSE_MS = 5;

export interface ProdOptions {
  /** Where clients connect to: at most one of each family. */
  frontends: readonly { address: string; port: number }[];
  clock: Clock;
}

interface Round {
  flows: readonly Flow[];
  sequence: number;
  /** Whose turn it is. */
  next: number;
  /** How often the segments were sent to all before. */
  repeat: number;
}

/** Needs CAP_NET_RAW. Throws HaleError `raw_ip_refused`. */
export function openClientProd({ frontends, clock }: ProdOptions): ClientProd {
  const sockets = new Map(frontends.map((frontend) => [familyOf(frontend.address), { frontend, fd: openRaw(frontend.address) }]));
  const timers = new Set<Timer>();
  const later = (delayMs: number, run: () => void): void => {
    const timer = clock.at(clock.now() + delayMs, () => {
      timers.delete(timer);
      run();
    });
    timers.add(timer);
  };

  /** Errno of a failure. */
  const sendTo = (flow: Flow, sequence: number): number | undefined => {
    const socket = sockets.get(familyOf(flow.address));
    if (socket === undefined) return libc.EINVAL;
    const { frontend, fd } = socket;
    const ends = { source: frontend.address, sourcePort: frontend.port, target: flow.address, targetPort: flow.port };
    const packet = tcpPacket(ends, { sequence, acknowledgement: sequence, flags: FLAG_ACK });
    const to = socketAddressOf(flow.address, 0);
    return libc.sendto(fd, packet, packet.length, 0, to, to.length) < 0 ? libc.lastErrno() : undefined;
  };

  const sendSlice = (round: Round): Effect => {
    const startedAt = clock.now();
    let failed: Effect = done;
    let { next } = round;
    while (next < round.flows.length && clock.now() - startedAt < SLICE_MS) {
      const flow = round.flows[next] as Flow;
      const errno = sendTo(flow, round.sequence);
      // Full: the rest goes with the next slice.
      if (errno === libc.EAGAIN) break;
      if (errno !== undefined && failed.ok) failed = { ok: false, reason: `segment to ${flow.address}: ${libc.errnoName(errno)}` };
      next++;
    }
    const pauseMs = REPEATS_MS[round.repeat];
    if (next < round.flows.length) later(PAUSE_MS, () => void sendSlice({ ...round, next }));
    else if (pauseMs !== undefined) {
      const again = { ...round, next: 0, repeat: round.repeat + 1, sequence: (round.sequence + SEQUENCE_STEP) % 2 ** 32 };
      later(pauseMs, () => void sendSlice(again));
    }
    return failed;
  };

  return {
    prod(flows) {
      if (sockets.size === 0) return { ok: false, reason: 'closed' };
      return flows.length === 0 ? done : sendSlice({ flows, sequence: randomInt(2 ** 32), next: 0, repeat: 0 });
    },
    close() {
      for (const timer of timers) timer.cancel();
      for (const { fd } of sockets.values()) libc.close(fd);
      sockets.clear();
    },
  };
}

function openRaw(address: string): number {
  const family = ipBytes(address).length === 4 ? libc.AF_INET : libc.AF_INET6;
  const fd = libc.socket(family, libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, IPPROTO_RAW);
  if (fd >= 0) return fd;
  throw new HaleError({
    code: 'raw_ip_refused',
    kind: 'world',
    message: `raw socket for segments from ${address}: ${libc.errnoName(libc.lastErrno())}`,
    remedy: 'Run as root, or give the process CAP_NET_RAW.',
  });
}
