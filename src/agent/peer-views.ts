import type { BfdSessionStatus } from '../engine/bfd-session.ts';
import type { BgpPeerStatus } from '../engine/bgp.ts';
import type { BfdView, BgpPeerView } from '../ports/control.ts';

/** When the state of the session with a router began. */
export type BfdSince = Map<string, number>;

export interface PeerViewOptions {
  peers: readonly BgpPeerStatus[];
  bfd: readonly BfdSessionStatus[];
  bfdSince: BfdSince;
  now: number;
}

/** Routers as the agent's status shows them. */
export function peerViews({ peers, bfd, bfdSince, now }: PeerViewOptions): BgpPeerView[] {
  return peers.map((peer) => {
    const session = bfd.find(({ remoteAddress }) => remoteAddress === peer.address);
    return {
      address: peer.address,
      asn: peer.asn,
      state: peer.state,
      sinceMs: Math.round(now - peer.since),
      localAddress: peer.session?.localAddress ?? null,
      routerId: peer.session?.remoteRouterId ?? null,
      holdTimeMs: peer.session?.holdTimeMs ?? null,
      keepaliveMs: peer.session?.keepaliveMs ?? null,
      announced: peer.announced,
      unannounced: [...peer.unannounced],
      lastError: peer.lastError?.text ?? null,
      bfd: session === undefined ? null : bfdView(session, now - (bfdSince.get(peer.address) ?? now)),
      counters: flat(peer.counters),
    };
  });
}

function bfdView(session: BfdSessionStatus, sinceMs: number): BfdView {
  const { packetsIn, packetsOut, packetsDeclined, timesUp, timesDown, detectionTimeMs } = session;
  return {
    state: session.state,
    sinceMs: Math.round(sinceMs),
    transmitMs: detectionTimeMs === undefined ? null : session.transmitIntervalMs,
    detectionTimeMs: detectionTimeMs ?? null,
    diagnostic: session.localDiagnostic,
    remoteDiagnostic: session.remoteDiagnostic,
    counters: { packetsIn, packetsOut, packetsDeclined, timesUp, timesDown },
  };
}

/** `{sent: {open: 1}}` as `{sentOpen: 1}`. */
function flat(counters: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counters).flatMap(([name, value]) =>
      typeof value === 'number'
        ? [[name, value]]
        : Object.entries(value as Record<string, number>).map(([kind, count]) => [
            `${name}${kind[0]?.toUpperCase()}${kind.slice(1)}`,
            count,
          ]),
    ),
  );
}
