/** To which session a packet belongs: RFC 5880 sections 6.3 and 6.8.6, RFC 5881 sections 3 and 5, RFC 5883 sections 4 and 5. */
import type { BfdDecline } from './decline.ts';
import type { ControlPacket } from './packet.ts';

/** Ends of a session; addresses in the form of `formatIp`. */
export interface BfdPeer {
  localAddress: string;
  remoteAddress: string;
  /** RFC 5883, port 4784, instead of RFC 5881, port 3784. */
  multihop: boolean;
}

export interface BfdMember extends BfdPeer {
  localDiscriminator: number;
  /** Least TTL of a multihop packet. */
  minimumTtl: number;
}

/** How a packet came in. */
export interface BfdArrival {
  from: string;
  to: string;
  ttl: number;
  multihop: boolean;
}

export type Demultiplexed<Session> = { ok: true; session: Session } | { ok: false; reason: BfdDecline };

const SINGLE_HOP_TTL = 255;

/** The check that goes before all others (RFC 5881 section 5): on one hop nobody beyond the link is listened to. */
export function passesGtsm({ ttl, multihop }: BfdArrival): boolean {
  return multihop || ttl === SINGLE_HOP_TTL;
}

export function sessionByAddresses<Session extends BfdPeer>(
  sessions: Iterable<Session>,
  { from, to, multihop }: Omit<BfdArrival, 'ttl'>,
): Session | undefined {
  for (const session of sessions) {
    if (session.remoteAddress === from && session.localAddress === to && session.multihop === multihop) return session;
  }
  return undefined;
}

/** By Your Discriminator alone once the peer knows it, whatever the addresses; before, by the addresses. */
export function demultiplex<Session extends BfdMember>(
  sessions: readonly Session[],
  { packet, arrival }: { packet: ControlPacket; arrival: BfdArrival },
): Demultiplexed<Session> {
  const { yourDiscriminator, state } = packet;
  if (yourDiscriminator === 0 && (state === 'Init' || state === 'Up')) return { ok: false, reason: 'your_discriminator_zero' };
  const session =
    yourDiscriminator === 0
      ? sessionByAddresses(sessions, arrival)
      : sessions.find(({ localDiscriminator }) => localDiscriminator === yourDiscriminator);
  if (session === undefined) return { ok: false, reason: yourDiscriminator === 0 ? 'no_session' : 'your_discriminator_unknown' };
  // A packet of a single-hop session that came to the port of multihop would have passed no check of its TTL.
  if (session.multihop !== arrival.multihop) return { ok: false, reason: 'other_hops' };
  if (arrival.multihop && arrival.ttl < session.minimumTtl) return { ok: false, reason: 'ttl_below_minimum' };
  return { ok: true, session };
}
