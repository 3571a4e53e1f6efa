/** hale's BGP speaker on a host of a test: the engine of the agent over the driver of the agent. */
import type { BgpPeerConfig } from '../../../src/core/bgp/config.ts';
import type { BgpRoute } from '../../../src/core/bgp/route.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { BgpEngine, type BgpEvent, type BgpPeerStatus } from '../../../src/engine/bgp.ts';
import type { BgpPeerAddress } from '../../../src/ports/bgp.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { TestHost } from '../netns.ts';
import { transportIn } from './transport.ts';

export interface SpeakerPeer extends Partial<Omit<BgpPeerAddress, 'address'>>, Partial<Omit<BgpPeerConfig, 'localAsn'>> {
  address: string;
  remoteAsn: number;
}

export interface SpeakerOptions {
  asn: number;
  peers: readonly SpeakerPeer[];
  /** Without them, none are told: not even an End-of-RIB. */
  routes?: readonly BgpRoute[];
  clock?: Clock;
}

export interface Speaker {
  readonly engine: BgpEngine;
  readonly events: BgpEvent[];
  /** Of the only peer, or of that one. */
  status(address?: string): BgpPeerStatus;
}

export function startSpeaker(host: TestHost, { asn, peers, routes, clock = boottime }: SpeakerOptions): Speaker {
  const events: BgpEvent[] = [];
  const described = peers.map((peer) => describePeer(host, { asn, peer }));
  const transport = transportIn(host, {
    listen: [
      { address: '0.0.0.0', port: 179 },
      { address: '::', port: 179 },
    ],
    peers: described.map(({ address }) => address),
  });
  const engine = new BgpEngine({ clock, transport, peers: described, seed: 1, onEvent: (event) => events.push(event) });
  if (routes !== undefined) engine.setRoutes(routes);
  return {
    engine,
    events,
    status: (address = peers[0]?.address) => engine.status().find((status) => status.address === address) as BgpPeerStatus,
  };
}

function describePeer(
  host: TestHost,
  { asn, peer }: { asn: number; peer: SpeakerPeer },
): { address: BgpPeerAddress; config: BgpPeerConfig } {
  return {
    address: {
      address: peer.address,
      port: 179,
      ttl: 1,
      ...(peer.localAddress === undefined ? {} : { localAddress: peer.localAddress }),
      ...(peer.ttlSecurityHops === undefined ? {} : { ttlSecurityHops: peer.ttlSecurityHops }),
      ...(peer.password === undefined ? {} : { password: peer.password }),
    },
    config: {
      localAsn: asn,
      remoteAsn: peer.remoteAsn,
      routerId: peer.routerId ?? host.address4,
      holdTimeMs: peer.holdTimeMs ?? 90_000,
      connectRetryMs: peer.connectRetryMs ?? 1000,
      passive: peer.passive ?? false,
      families: peer.families ?? ['IPv4', 'IPv6'],
      nextHops: peer.nextHops ?? { IPv4: host.address4, IPv6: host.address6 },
      ...(peer.gracefulRestart === undefined ? {} : { gracefulRestart: peer.gracefulRestart }),
    },
  };
}

/** Host routes of these addresses. */
export function hostRoutes(...addresses: string[]): BgpRoute[] {
  return addresses.map((address) => ({ prefix: `${address}/${address.includes(':') ? 128 : 32}`, communities: [] }));
}
